import { throwIfAborted } from '@commongrid/base';
import { workloadIdOf } from '@commongrid/model';
import { atLeastRow, atMostRow, median } from '../bench/index.ts';
import type { BenchOptions, BenchRow } from '../bench/index.ts';
import type { LiveContracts } from './live-contract.ts';
import type { LiveGrid, LiveMachine, LiveNode } from './live-grid.ts';
import { LiveStore, shardsRole } from './live-store.ts';

/** Rows begin so. */
export const shardsName = 'live shards';

const roundsMin = 3;
const fileBytes = 16 * 2 ** 20;
const files = 32;
const filesQuick = 4;
/** Beside the node of the grid and the outpost: one machine more than the store has members of its log. */
const machinesMore = 4;
/** Between two questions to the head of the store: more would take its time, ms. */
const askEveryMs = 100;

interface Town {
  readonly store: LiveStore;
  readonly machines: readonly LiveMachine[];
  /** Of the machines, and of the grid. */
  readonly nodes: readonly LiveNode[];
}

/** A namespace that was lost: what happened when, seconds since its machine was killed. */
interface Replaced {
  readonly suspected: number;
  readonly locked: number;
  readonly placed: number;
  readonly running: number;
  /** The backends file of the store has the new place. */
  readonly told: number;
  /** It has all shards that were lost. */
  readonly full: number;
  /** That the head used from `told` to `full`. */
  readonly cpuSeconds: number;
  /** Where it is now. */
  readonly node: string;
}

/**
 * A machine that has a namespace of a store is cut off and all its processes killed: until the store is
 * told of another one, and until that has all shards that were lost.
 */
export async function shardRows(
  options: BenchOptions,
  live: LiveGrid,
  contracts: LiveContracts,
): Promise<readonly BenchRow[]> {
  const { isQuick = false, note, signal } = options;
  const rounds = isQuick ? 1 : Math.max(roundsMin, options.rounds);
  await using stack = new AsyncDisposableStack();
  const machines: LiveMachine[] = [{ outpost: live.outpost, node: live.far }];
  for (let n = 0; n < machinesMore; n++) {
    throwIfAborted(signal);
    note(`machine ${machines.length + 2} joins`);
    const machine = await live.join();
    stack.use(machine.outpost);
    machines.push(machine);
  }
  const nodes = [live.node, ...machines.map(({ node }) => node)];
  note('a store is ordered and filled');
  const size = { files: isQuick ? filesQuick : files, fileBytes };
  const only = nodes.map(({ id }) => id);
  const store = stack.use(await LiveStore.open(live, contracts, { ...size, only }));
  const all: Replaced[] = [];
  for (let round = 0; round < rounds; round++) {
    throwIfAborted(signal);
    note(`a machine with shards is killed, ${round + 1} of ${rounds}`);
    all.push(await replaceOnce(live, { store, machines, nodes }, all.at(-1)?.node));
  }
  return rowsOf(all, store.dataBytes / 1e6);
}

/** @param moved where the namespace of the round before is now: that one stays this time */
async function replaceOnce(live: LiveGrid, town: Town, moved?: string): Promise<Replaced> {
  const { store } = town;
  const { machine, replica } = await victimOf(town, moved);
  const before = (await store.status()).repaired.chunks;
  const killedMs = Date.now();
  machine.outpost.cut();
  await machine.outpost.kill();
  const suspectedMs = await store.until(live, 'the machine to be suspected', async () => {
    return (await store.standing(live)).silent.length > 0 && Date.now();
  });
  const node = await store.until(live, 'the store to be told of another namespace', async () => {
    const now = (await store.shards())[replica]?.node;
    return now !== machine.node.id && now;
  });
  const toldMs = Date.now();
  const cpu = await store.cpuSeconds();
  const isFull = async (): Promise<boolean> => {
    const { repaired, pending } = await store.status();
    return repaired.chunks - before >= store.chunks && pending === 0;
  };
  await store.until(live, 'its shards to be made again', isFull, askEveryMs);
  const fullMs = Date.now();
  const cpuSeconds = (await store.cpuSeconds()) - cpu;
  machine.outpost.mend();
  machine.outpost.start();
  await live.inService(machine.node);
  // The log as well: else the next loss would be the second one.
  const isWhole = async (): Promise<boolean> =>
    (await store.standing(live)).store?.isWhole === true;
  await store.until(live, 'the store to be whole', isWhole, askEveryMs);
  const steps = await stepsOf(live, town, { killedMs, replica, node });
  const seconds = (ms: number): number => (ms - killedMs) / 1_000;
  return {
    ...{ suspected: seconds(suspectedMs), locked: seconds(steps.lockedMs) },
    ...{ placed: seconds(steps.placedMs), running: seconds(steps.runningMs) },
    ...{ told: seconds(toldMs), full: seconds(fullMs), cpuSeconds, node },
  };
}

/** A machine that can be cut off and has shards. */
async function victimOf(
  { store, machines }: Town,
  moved: string | undefined,
): Promise<{ readonly machine: LiveMachine; readonly replica: number }> {
  const shards = await store.shards();
  for (const machine of machines) {
    const replica = shards.findIndex(({ node }) => node === machine.node.id);
    if (replica >= 0 && machine.node.id !== moved) return { machine, replica };
  }
  throw new Error('no machine that can be killed has shards');
}

/** What log and node say of how a namespace came to its new place. */
async function stepsOf(
  live: LiveGrid,
  { store: { contract }, nodes }: Town,
  { killedMs, replica, node }: { killedMs: number; replica: number; node: string },
): Promise<{ lockedMs: number; placedMs: number; runningMs: number }> {
  const log = (await live.log()).filter(({ signedMs }) => signedMs > killedMs);
  const lock = log.find(({ url, value }) => {
    return url === 'grid.lock.1' && value?.['contract'] === contract && value['node'] === node;
  });
  const placement = log.find(({ url, obj }) => url === 'grid.placement.1' && obj === contract);
  const its = nodes.find(({ id }) => id === node);
  const workload = workloadIdOf(contract, shardsRole, replica);
  const events = its === undefined ? [] : await live.events(its, workload);
  // What has no process is healthy as soon as it is there.
  const running = events.find(({ phase, at }) => phase === 'healthy' && at > killedMs);
  if (lock === undefined || placement === undefined || running === undefined) {
    throw new Error(`neither log nor node say how ${workload} came to ${node}`);
  }
  return { lockedMs: lock.signedMs, placedMs: placement.signedMs, runningMs: running.at };
}

function rowsOf(all: readonly Replaced[], megabytes: number): readonly BenchRow[] {
  const middle = (of: (one: Replaced) => number): string => median(all.map(of)).toFixed(1);
  const told = all.map((one) => one.told);
  const perCpuSecond = all.map(({ cpuSeconds }) => megabytes / cpuSeconds);
  const perSecond = all.map((one) => megabytes / (one.full - one.told));
  const legs = [
    `suspected after ${middle((one) => one.suspected)} s`,
    `locked ${middle((one) => one.locked)} s`,
    `placed ${middle((one) => one.placed)} s`,
    `running ${middle((one) => one.running)} s`,
    `all shards there ${middle((one) => one.full)} s`,
  ].join(', ');
  return [
    atMostRow({
      name: `${shardsName}: machine killed and cut off until its namespace runs elsewhere and the store knows`,
      ...{ unit: 's', ours: Math.max(...told), must: 15 },
      note: `the worst of ${all.length}; median ${median(told).toFixed(2)} s; ${legs}`,
    }),
    atLeastRow({
      name: `${shardsName}: data whose lost shards are made again there`,
      ...{ unit: 'MB/CPU-s', ours: median(perCpuSecond), must: 100 },
      note: [
        `the median of ${all.length}, least ${Math.min(...perCpuSecond).toFixed(0)}`,
        `${megabytes.toFixed(0)} MB of data in 2+2, ${median(perSecond).toFixed(0)} MB/s by the clock`,
      ].join('; '),
    }),
  ];
}
