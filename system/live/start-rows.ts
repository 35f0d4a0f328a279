import { throwIfAborted } from '@commongrid/base';
import type { ContractId } from '@commongrid/model';
import { atMostRow, median, percentile } from '../bench/index.ts';
import type { BenchOptions, BenchRow } from '../bench/index.ts';
import { CpuShares } from './cpu-shares.ts';
import type { LiveContract, LiveContracts } from './live-contract.ts';
import type { LiveGrid, ToldEvent } from './live-grid.ts';
import type { LoggedRecord } from './log-times.ts';

/** Rows begin so. */
export const startName = 'live start';

const samples = 100;
const samplesQuick = 5;
/** Not counted: these fetch the image, and have all programs read. */
const warmUps = 3;

/** What happens from the last approval on, in its order. */
const points = [
  'approval',
  'lock',
  'escrow',
  'placement',
  'told',
  'accepted',
  'preparing',
  'starting',
  'running',
] as const;
type Point = (typeof points)[number];
/** When each was, ms since 1970. */
type Times = Readonly<Record<Point, number>>;

/** Parts of the way, each from the point before it. */
const legs: readonly { readonly from: Point; readonly to: Point; readonly what: string }[] = [
  { from: 'approval', to: 'lock', what: 'the buyer takes the lease, the farmer signs a lock' },
  { from: 'lock', to: 'escrow', what: 'the buyer sees it, and pays' },
  { from: 'escrow', to: 'placement', what: 'the money is in the log; the buyer places' },
  { from: 'placement', to: 'told', what: 'the database has it on disk, and tells of it' },
  { from: 'told', to: 'accepted', what: 'the node verifies it, and lets it in' },
  { from: 'accepted', to: 'preparing', what: 'the node looks what is there' },
  { from: 'preparing', to: 'starting', what: 'image, network, container' },
  { from: 'starting', to: 'running', what: 'the first process begins' },
];

/**
 * From the records that order a container to its process, sample by sample, one after the other. The point of
 * a record is when its author signed it, which is just before it is appended.
 */
export async function startRows(
  options: BenchOptions,
  live: LiveGrid,
  contracts: LiveContracts,
): Promise<readonly BenchRow[]> {
  const count = options.isQuick === true ? samplesQuick : samples;
  const events = new Map<ContractId, readonly ToldEvent[]>();
  for (let sample = 0; sample < warmUps; sample++) await orderOnce(live, contracts);
  const cpu = await CpuShares.begin(await live.processes());
  for (let sample = 0; sample < count; sample++) {
    throwIfAborted(options.signal);
    if (sample % 10 === 0) options.note(`order ${sample + 1} of ${count}`);
    const { id, told } = await orderOnce(live, contracts);
    events.set(id, told);
  }
  const costs = await cpu.end(count);
  const log = await live.log();
  const all = [...events].map(([id, told]) => timesOf(id, told, log));
  return rowsOf(all, costs);
}

async function orderOnce(
  live: LiveGrid,
  contracts: LiveContracts,
): Promise<Pick<LiveContract, 'id'> & { readonly told: readonly ToldEvent[] }> {
  const order = await contracts.propose(live.node.id);
  await contracts.approve(order.id, 'provision');
  await live.reached(live.node, order, 'running');
  await contracts.approve(order.id, 'remove');
  // The next one begins on a machine that has nothing else to do.
  await live.reached(live.node, order, 'deleted');
  return { id: order.id, told: await live.events(live.node, order.workload) };
}

function timesOf(id: ContractId, told: readonly ToldEvent[], log: readonly LoggedRecord[]): Times {
  const signed = (url: string): LoggedRecord => {
    const found = log.find((one) => one.url === url && one.value?.['contract'] === id);
    if (found === undefined) throw new Error(`the log has no ${url} of ${id}`);
    return found;
  };
  const happened = (phase: string): number => {
    const found = told.find((event) => event.phase === phase);
    if (found === undefined) throw new Error(`the node says nothing of ${phase} of ${id}`);
    return found.at;
  };
  const placement = signed('grid.placement.1');
  const tick = log.find(({ url, seq }) => url === 'bcdb.tick.1' && seq > placement.seq);
  if (tick === undefined) throw new Error(`the database never told of the placement of ${id}`);
  return {
    approval: signed('grid.approval.1').signedMs,
    lock: signed('grid.lock.1').signedMs,
    escrow: signed('grid.escrow.1').signedMs,
    placement: placement.signedMs,
    told: tick.signedMs,
    accepted: happened('accepted'),
    preparing: happened('preparing'),
    starting: happened('starting'),
    running: happened('running'),
  };
}

function rowsOf(all: readonly Times[], costs: string): readonly BenchRow[] {
  const between = (from: Point, to: Point): readonly number[] =>
    all.map((times) => times[to] - times[from]);
  const p99 = (values: readonly number[]): number => percentile(values, 0.99);
  const paid = between('escrow', 'running');
  const whole = between('approval', 'running');
  const way = `${startName}: from the record of the escrow to the process running, image cached`;
  const chain = `${startName}: from the last approval to the process running`;
  const note = `of ${all.length}; least ${Math.min(...paid)} ms`;
  return [
    atMostRow({ name: `${way}, median`, unit: 'ms', ours: median(paid), must: 300, note }),
    atMostRow({ name: `${way}, p99`, unit: 'ms', ours: p99(paid), must: 1_000, note }),
    atMostRow({
      ...{ name: `${chain}, median`, unit: 'ms', ours: median(whole) },
      note: `least ${Math.min(...whole)} ms, p99 ${p99(whole)} ms; CPU time from the approval to the removal: ${costs}`,
    }),
    ...legs.map(({ from, to, what }) => {
      const times = between(from, to);
      return atMostRow({
        ...{ name: `${startName}: ${from} to ${to}`, unit: 'ms', ours: median(times) },
        note: `${what}; least ${Math.min(...times)} ms, p99 ${p99(times)} ms`,
      });
    }),
  ];
}
