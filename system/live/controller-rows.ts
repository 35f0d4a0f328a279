import { throwIfAborted } from '@commongrid/base';
import { atMostRow, median } from '../bench/index.ts';
import type { BenchOptions, BenchRow } from '../bench/index.ts';
import type { LiveContracts } from './live-contract.ts';
import type { LiveGrid } from './live-grid.ts';

/** Rows begin so. */
export const controllerName = 'live controller';

/** A controller that was quicker than its death shows nothing: so often it may be. */
const triesOfRound = 3;

/**
 * A controller is killed just when it was told to end what it runs, with its lease in force, until it appends
 * the next record of that contract.
 */
export async function controllerRows(
  options: BenchOptions,
  live: LiveGrid,
  contracts: LiveContracts,
): Promise<readonly BenchRow[]> {
  const rounds = options.isQuick === true ? 1 : options.rounds;
  const seconds: number[] = [];
  const leases: number[] = [];
  for (let left = rounds * triesOfRound; left > 0 && seconds.length < rounds; left--) {
    throwIfAborted(options.signal);
    options.note(`a controller is killed, ${seconds.length + 1} of ${rounds}`);
    const went = await killOnce(live, contracts);
    if (went === undefined) continue;
    seconds.push(went.tookMs / 1_000);
    leases.push(went.leaseMs / 1_000);
  }
  if (seconds.length < rounds) throw new Error('controllers were quicker than their death');
  return [
    atMostRow({
      name: `${controllerName}: killed with its lease in force until it goes on`,
      ...{ unit: 's', ours: Math.max(...seconds), must: 5 },
      note: [
        `the worst of ${rounds}; median ${median(seconds).toFixed(2)} s`,
        `it has its lease again after ${median(leases).toFixed(2)} s`,
      ].join('; '),
    }),
  ];
}

/** @returns undefined when it had done all before it was killed */
async function killOnce(
  live: LiveGrid,
  contracts: LiveContracts,
): Promise<{ readonly tookMs: number; readonly leaseMs: number } | undefined> {
  const order = await contracts.propose(live.node.id);
  await contracts.approve(order.id, 'provision');
  await live.reached(live.node, order, 'running');
  const kill = await live.buyerToKill();
  await contracts.approve(order.id, 'remove');
  const killedMs = kill();
  await live.reached(live.node, order, 'deleted');
  const log = await live.log();
  const last = log.findLast(({ url, obj }) => url === 'grid.placement.1' && obj === order.id);
  if (last?.value?.['reason'] !== 'remove')
    throw new Error(`${order.id} ended without its controller`);
  if (last.signedMs <= killedMs) return undefined;
  const lease = log.find(({ url, obj, signedMs }) => {
    return url === 'grid.lease.1' && obj === order.id && signedMs > killedMs;
  });
  if (lease === undefined) throw new Error(`${order.id} was ended without a lease`);
  return { tookMs: last.signedMs - killedMs, leaseMs: lease.signedMs - killedMs };
}
