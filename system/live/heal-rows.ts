import { throwIfAborted } from '@commongrid/base';
import { atMostRow, median } from '../bench/index.ts';
import type { BenchOptions, BenchRow } from '../bench/index.ts';
import { waiting } from './live-contract.ts';
import type { LiveContracts } from './live-contract.ts';
import type { LiveGrid } from './live-grid.ts';

/** Rows begin so. */
export const healName = 'live heal';

const roundsMin = 5;

/** What a controller says of a contract. */
interface Standing {
  readonly silent: readonly { readonly outlook: string }[];
}

interface Healed {
  readonly suspectedSeconds: number;
  readonly healthySeconds: number;
}

/** A machine is cut off and all its processes killed; what ran there is to be healthy on the other one. */
export async function healRows(
  options: BenchOptions,
  live: LiveGrid,
  contracts: LiveContracts,
): Promise<readonly BenchRow[]> {
  const rounds = options.isQuick === true ? 1 : Math.max(roundsMin, options.rounds);
  const all: Healed[] = [];
  for (let round = 0; round < rounds; round++) {
    throwIfAborted(options.signal);
    options.note(`a machine is killed, ${round + 1} of ${rounds}`);
    all.push(await healOnce(live, contracts));
  }
  const row = (what: string, seconds: readonly number[], must: number): BenchRow =>
    atMostRow({
      ...{ name: `${healName}: machine killed and cut off until ${what}`, unit: 's', must },
      ours: Math.max(...seconds),
      note: `the worst of ${rounds}; median ${median(seconds).toFixed(2)} s`,
    });
  return [
    row(
      'it is suspected',
      all.map((one) => one.suspectedSeconds),
      6,
    ),
    row(
      'a stateless workload is healthy elsewhere',
      all.map((one) => one.healthySeconds),
      15,
    ),
  ];
}

async function healOnce(live: LiveGrid, contracts: LiveContracts): Promise<Healed> {
  const { outpost, node, far } = live;
  const health = { probe: 'exec', command: ['true'], everySeconds: 1, startSeconds: 10 } as const;
  const order = await contracts.propose(far.id, { roles: [waiting({ health })] });
  await contracts.approve(order.id, 'provision');
  await live.reached(far, order, 'healthy');
  const killedMs = Date.now();
  outpost.cut();
  await outpost.kill();
  const suspectedMs = await live.until('the machine to be suspected', async () => {
    const { silent } = await live.call<Standing>('contracts.status', { contract: order.id });
    return silent.length > 0 && Date.now();
  });
  const { at: healthyMs } = await live.reached(node, order, 'healthy');
  outpost.mend();
  outpost.start();
  await live.inService(far);
  await contracts.approve(order.id, 'remove');
  await live.reached(node, order, 'deleted');
  const seconds = (ms: number): number => (ms - killedMs) / 1_000;
  return { suspectedSeconds: seconds(suspectedMs), healthySeconds: seconds(healthyMs) };
}
