import type { Random } from '@commongrid/base';
import type { ContractDefinition } from '@commongrid/contract';
import type { OrderOptions } from './orders.ts';
import { currency } from './town.ts';
import type { Town } from './town.ts';

type Wanted = Pick<OrderOptions, 'owner' | 'definition' | 'only'>;

const flist = 'a'.repeat(64);

/**
 * What is ordered in a small town: something without data, a single writer, data that stays where it
 * is, and shards on machines of others; each owner has contracts of one's own.
 */
export function townOrders(town: Town, random: Random): readonly Wanted[] {
  const own = new Set(town.nodes.slice(0, 2).map(({ id }) => id));
  const replaceAfterMs = random.int(8_000, 15_000);
  const budget = { currency, perMonth: 30_000_000, total: 90_000_000 };
  const heal = { replaceAfterMs, maxPerHour: random.int(3, 12) };
  const small = { cpu: 0.5, memory: '256MiB' } as const;
  const container = { flist, stop: { graceSeconds: random.int(0, 3) } };
  return [
    {
      owner: 1,
      definition: {
        ...{ name: 'shop', heal, budget },
        roles: [
          {
            ...{ name: 'web', replicas: random.int(2, 5), container, ...small },
            spread: { distinctNodes: true, perFarm: 2 },
            ...(random.int(0, 2) === 0 ? { health: { probe: 'exec', command: ['true'] } } : {}),
          },
        ],
      },
    },
    {
      owner: 1,
      definition: {
        ...{ name: 'books', heal, budget },
        roles: [{ name: 'writer', container, ...small, onIsolation: 'stop' }],
      },
    },
    { owner: 1, only: own, definition: localData(heal) },
    {
      owner: 9,
      definition: {
        ...{ name: 'archive', heal, budget },
        roles: [
          {
            ...{ name: 'shard', replicas: random.int(2, 4), container, ...small },
            ...{ data: 'dispersed', onIsolation: random.int(0, 2) === 0 ? 'keep' : 'stop' },
            spread: { distinctNodes: true, perCountry: 2 },
          },
        ],
      },
    },
  ];
}

function localData(heal: NonNullable<ContractDefinition['heal']>): ContractDefinition {
  return {
    ...{ name: 'house', heal },
    roles: [{ name: 'disk', volume: { size: '1GiB' }, data: 'local' }],
  };
}
