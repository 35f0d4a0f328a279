import type { ContractDefinition } from '@commongrid/contract';

import { stakeholders } from '../demo-town.ts';
import { money } from '../town-plan.ts';

/** Data and parity shards. */
export interface Shards {
  readonly data: number;
  readonly parity: number;
}

/** What it may cost a month, TFT. */
export const monthlyMax = 40;

/** Namespaces that keep the log of the store. */
const logReplicas = 3;
const apart = { distinctNodes: true } as const;

/** How many places the contract has. */
export function placesOf({ data, parity }: Shards): number {
  return data + parity + logReplicas + 1;
}

/**
 * The archive: shards of a store on as many machines, no more of one farm than may be lost, in three countries; the
 * log of the store; and a web page. The board signs it, two of three.
 */
export function archiveContract({ data, parity }: Shards): ContractDefinition {
  const most = String(BigInt(monthlyMax) * 10n ** BigInt(money.decimals)) as `${bigint}`;
  const zdb = { size: '128MiB', password: 'admin' } as const;
  return {
    name: 'archive',
    days: 1,
    secrets: { admin: { generate: 32 } },
    policy: { provision: [{ role: 'board', signers: stakeholders, min: 2 }] },
    budget: { currency: money.code, perMonth: most, total: most },
    heal: { suspectAfterMs: 3_000, replaceAfterMs: 10_000, maxPerHour: 1_000 },
    roles: [
      {
        ...{ name: 'shards', shards: `${data}+${parity}`, data: 'dispersed', zdb },
        spread: { ...apart, perFarm: parity },
      },
      { name: 'log', replicas: logReplicas, data: 'dispersed', zdb, spread: apart },
      {
        ...{ name: 'web', cpu: 0.25, memory: '32MiB' },
        container: {
          ...{ image: 'base', rootBytes: '16MiB' },
          entrypoint: [
            '/bin/sh',
            '-c',
            'echo archive > /tmp/index.html; exec httpd -f -p 80 -h /tmp',
          ],
          stop: { signal: 'SIGKILL', graceSeconds: 1 },
          ports: [{ name: 'http', port: 80, protocol: 'tcp', publish: 8081 }],
        },
        health: { probe: 'http', port: 'http', path: '/', everySeconds: 1, startSeconds: 60 },
      },
    ],
  };
}

/** A contract that nobody ever places, since the bot that is to do it does not run: one place, for which somebody pays. */
export function idleContract(): ContractDefinition {
  const most = String(10n ** BigInt(money.decimals)) as `${bigint}`;
  return {
    name: 'never-placed',
    days: 1,
    controllers: ['legal'],
    budget: { currency: money.code, perMonth: most, total: most },
    secrets: { admin: { generate: 32 } },
    roles: [{ name: 'spare', zdb: { size: '128MiB', password: 'admin' } }],
  };
}
