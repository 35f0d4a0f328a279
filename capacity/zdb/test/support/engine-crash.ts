import fs from 'node:fs';
import path from 'node:path';
import { type Random, seededRandom } from '@commongrid/base';
import type { Durability } from '../../src/engine/log/log.ts';
import { Store } from '../../src/engine/store.ts';
import type { StoreOptions } from '../../src/engine/store-options.ts';
import { faultyFiles, PowerLossFiles } from '@commongrid/files/testing';
import { findLoss, Journal, StoreLoad } from '../../src/testing/index.ts';

/** What the trace of a run says about acknowledgements. */
type Mark =
  | { readonly durable: number }
  /** The store was opened anew; the journal that holds from here on. */
  | { readonly journal: Journal };

export interface CrashRun {
  readonly disk: PowerLossFiles;
  readonly folder: string;
}

export interface RunOptions {
  readonly root: string;
  readonly random: Random;
  readonly turns: number;
  readonly durability?: Durability;
  readonly slowSyncMs?: number;
  /** Times that the process is killed in the run, and started again over what it left. */
  readonly kills?: number;
  /** Times that the disk refuses a sync, and the store takes writes again afterwards. */
  readonly refusals?: number;
  /** Compaction, checkpoints and rotation while the load goes on. */
  readonly maintain?: boolean;
}

export const FOLDER = 'data';

export function openStore(
  root: string,
  options: Omit<StoreOptions, 'folder'> = {},
): Promise<Store> {
  return Store.open({
    folder: path.join(root, FOLDER),
    segmentBytes: 1024 * 1024,
    cacheBytes: 256 * 1024,
    // Real syncs take most of the time, and prove nothing here.
    files: faultyFiles(() => undefined),
    nowMs: () => 1_700_000_000_000,
    ...options,
  });
}

/** A load over files that record, killed and started again as often as asked. */
export async function recordRun(options: RunOptions): Promise<PowerLossFiles> {
  const { root, random, durability = 'always', slowSyncMs = 0 } = options;
  const disk = new PowerLossFiles({ root, slowSyncMs });
  let journal = new Journal();
  for (let life = 0; life <= (options.kills ?? 0); life++) {
    journal = await oneLife(disk, journal, { ...options, durability }, life);
    if (life < (options.kills ?? 0)) disk.revive();
  }
  void random;
  return disk;
}

async function oneLife(
  disk: PowerLossFiles,
  before: Journal,
  options: RunOptions,
  life: number,
): Promise<Journal> {
  const { root, random } = options;
  const store = await openStore(root, {
    files: disk.files,
    ...(options.durability === undefined ? {} : { durability: options.durability }),
    onDurable: (durable) => disk.mark({ durable } satisfies Mark),
  });
  const journal = before.upTo(store.log.lastSequence);
  disk.mark({ journal } satisfies Mark);
  // What a store shows as durable right after its start was seen by somebody.
  disk.mark({ durable: store.log.durableSequence } satisfies Mark);
  let load = new StoreLoad({ store, random, journal });
  if (life === 0) load.begin();
  for (let refusal = 0; refusal < (options.refusals ?? 0); refusal++) {
    load = await refused(disk, load, options);
  }
  const isKilled = life < (options.kills ?? 0);
  const jobs = new Set<Promise<void>>();
  const killAt = isKilled ? random.int(1, options.turns) : options.turns;
  for (let turn = 0; turn < killAt; turn++) {
    await load.turn();
    if (options.maintain === true) await startMaintenance(store, random, jobs);
    if (options.slowSyncMs !== undefined && options.slowSyncMs > 0) await new Promise(setImmediate);
  }
  if (isKilled) {
    // A process dies between two turns, inside one or in a job, or stops when a sync fails.
    const end = random.int(0, 3);
    if (end === 0) disk.kill();
    else if (end === 1) disk.killAfter(random.int(0, 60));
    else disk.failNextSync();
    for (let turn = 0; turn < 40 && store.log.failure === undefined; turn++) {
      await load.turn();
      if (options.maintain === true) await startMaintenance(store, random, jobs);
      if (end === 2) await store.log.flush().catch(() => undefined);
    }
    disk.kill();
  }
  await store.close().catch(() => undefined);
  await Promise.all(jobs);
  return load.journal;
}

/** A sync fails, which leaves in memory alone what it should have brought to disk; the store goes on. */
async function refused(
  disk: PowerLossFiles,
  { store, journal }: StoreLoad,
  { random, turns }: RunOptions,
): Promise<StoreLoad> {
  const load = new StoreLoad({ store, random, journal });
  for (let turn = random.int(0, turns); turn > 0; turn--) await load.turn();
  while (store.log.failure === undefined) {
    // The sync of an index, written behind the log, may have taken the failure before.
    if (!disk.isNextSyncFailing) disk.failNextSync();
    await load.turn();
    await store.log.flush().catch(() => undefined);
  }
  await store.reopenReadOnly('the disk is full');
  const kept = load.journal.upTo(store.log.lastSequence);
  await store.writeAgain(async () => undefined);
  disk.mark({ journal: kept } satisfies Mark);
  disk.mark({ durable: store.log.durableSequence } satisfies Mark);
  return new StoreLoad({ store, random, journal: kept });
}

/** Begins a job now and then; the load goes on while it runs. */
async function startMaintenance(
  store: Store,
  random: Random,
  jobs: Set<Promise<void>>,
): Promise<void> {
  const dice = random.int(0, 24);
  const job =
    dice === 0
      ? store.maintenance.compactAll()
      : dice === 1
        ? store.maintenance.checkpoint()
        : undefined;
  if (dice === 2) store.log.rotate();
  if (job !== undefined) jobs.add(job.catch(() => undefined));
  const waits = jobs.size > 0 ? random.int(0, 30) : 1;
  for (let i = 0; i < waits; i++) await new Promise(setImmediate);
}

export interface CrashPoint {
  readonly disk: PowerLossFiles;
  readonly callIndex: number;
  readonly random: Random;
  /** An empty folder. */
  readonly target: string;
  readonly ignoreSyncs?: boolean;
  /** Whether the power goes once more while the store recovers or writes on. */
  readonly again?: boolean;
}

/** Random points, every other one next to a call that changes or syncs names: there are few of these. */
export function crashPoints(disk: PowerLossFiles, random: Random, count: number): number[] {
  const calls = disk.trace.length;
  const rare = disk.trace.flatMap(({ kind }, i) =>
    kind === 'write' || kind === 'sync' || kind === 'mark' ? [] : [i],
  );
  const points = Array.from({ length: count }, (_unused, i) => {
    if (i % 2 === 0) return random.int(0, calls + 1);
    return Math.min(calls, (rare[random.int(0, rare.length)] as number) + random.int(0, 4));
  });
  return points.sort((a, b) => a - b);
}

/** What the trace promises at a point: the journal, and the last sequence that was acknowledged. */
export function promised(
  disk: PowerLossFiles,
  callIndex: number,
): { journal: Journal; acknowledged: number } {
  let journal = new Journal();
  let acknowledged = 0;
  for (const mark of disk.marksBefore(callIndex) as Mark[]) {
    if ('journal' in mark) journal = mark.journal;
    else acknowledged = Math.max(acknowledged, mark.durable);
  }
  return { journal, acknowledged };
}

/** Lets the power go at a point, and returns what is wrong afterwards. */
export async function faultsAfterCrash(point: CrashPoint): Promise<string[]> {
  const { disk, callIndex, random, target } = point;
  const { journal, acknowledged } = promised(disk, callIndex);
  disk.crashImage(callIndex, random, target, point.ignoreSyncs);
  if (point.again !== true) return faultsAfterStart(target, journal, acknowledged, random);
  const second = new PowerLossFiles({ root: target });
  const start = second.trace.length;
  const faults = await faultsAfterStart(target, journal, acknowledged, random, second);
  if (faults.length > 0) return faults;
  const next = random.int(start, second.trace.length + 1);
  const image = `${target}-again`;
  fs.mkdirSync(image);
  const after = promised(second, next);
  const isOpened = second.marksBefore(next).length > 0;
  second.crashImage(next, random, image);
  const more = await faultsAfterStart(
    image,
    isOpened ? after.journal : journal,
    Math.max(acknowledged, after.acknowledged),
    random,
  );
  fs.rmSync(image, { recursive: true });
  return more.map((one) => `after a second crash at call ${next}: ${one}`);
}

/** Opens, checks, writes on, closes, opens again. */
async function faultsAfterStart(
  root: string,
  promise: Journal,
  acknowledged: number,
  random: Random,
  disk?: PowerLossFiles,
): Promise<string[]> {
  const files = disk === undefined ? {} : { files: disk.files };
  const onDurable = (durable: number): void => disk?.mark({ durable } satisfies Mark);
  const store = await openStore(root, { ...files, onDurable });
  let journal = promise.upTo(store.log.lastSequence);
  let load: StoreLoad;
  try {
    const faults = await findLoss(store, promise, acknowledged);
    if (faults.length > 0) return faults;
    disk?.mark({ journal } satisfies Mark);
    disk?.mark({ durable: store.log.durableSequence } satisfies Mark);
    load = new StoreLoad({ store, random, journal, valueBytesMax: 20_000 });
    for (let turn = 0; turn < 4; turn++) await load.turn();
  } finally {
    await store.close();
  }
  journal = load.journal;
  const again = await openStore(root, files);
  try {
    const faults = await findLoss(again, journal, journal.lastSequence);
    for (const event of again.recovery) faults.push(`a clean start says: ${event.text}`);
    return faults.map((one) => `after writing on: ${one}`);
  } finally {
    await again.close();
  }
}

/** Everything that is needed to see a failure again. */
export function reproducible(seed: string, callIndex: number, faults: readonly string[]): string {
  return `GRID_TEST_SEED=${seed} call ${callIndex}: ${faults.slice(0, 4).join('; ')}`;
}

export function testSeed(): string {
  return process.env['GRID_TEST_SEED'] ?? String(Date.now() % 1_000_000_007);
}

export { seededRandom };
