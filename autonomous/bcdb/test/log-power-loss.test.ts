import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { errorCode, seededRandom } from '@commongrid/base';
import type { Random } from '@commongrid/base';
import { tempFolder } from '@commongrid/base/testing';
import { faultyFiles, PowerLossFiles } from '@commongrid/files/testing';
import { realFiles } from '@commongrid/files';
import { EmbeddedLog } from '../src/log/embedded/embedded-log.ts';
import { readHead } from '../src/log/embedded/head-file.ts';
import { batchAt, differences, headAt, readAll } from '../src/testing/index.ts';

const log = Buffer.alloc(32, 3);
const isLong = process.env['GRID_TEST_LONG'] === '1';
const seed = process.env['GRID_TEST_SEED'] ?? String(Date.now());
// Real syncs take most of the time, and prove nothing here.
const quick = faultyFiles(() => undefined);

/** What the trace of a run says was promised. */
type Mark =
  /** This size was acknowledged, or told at a start. */
  { readonly size: number; readonly isStart?: boolean } | { readonly erased: readonly number[] };

interface Plan {
  readonly name: string;
  /** Lives of the process; all but the last are killed. */
  readonly lives: number;
  readonly batches: number;
  readonly erase: boolean;
  /** How often a sync fails, one in so many batches; 0 = never. */
  readonly failOneIn: number;
}

const plans: readonly Plan[] = [
  { name: 'one process', lives: 1, batches: 60, erase: false, failOneIn: 0 },
  { name: 'killed processes', lives: 5, batches: 15, erase: false, failOneIn: 0 },
  { name: 'failing syncs', lives: 5, batches: 15, erase: false, failOneIn: 8 },
  { name: 'erasure', lives: 3, batches: 15, erase: true, failOneIn: 0 },
];

function open(folder: string, files = quick): Promise<EmbeddedLog> {
  return EmbeddedLog.open({ folder, log, segmentBytes: 30_000, files });
}

for (const plan of plans) {
  test(`embedded log of ${plan.name} keeps its promises at every loss of power`, async () => {
    await using temp = await tempFolder('bcdb-power');
    const disk = await recordRun(temp.path, plan);
    for (const call of crashPoints(disk)) {
      const faults = await faultsAt(disk, temp.path, call, false);
      assert.deepEqual(faults, [], `call ${call}, GRID_TEST_SEED=${seed}`);
    }
  });
}

test('embedded log loses what it acknowledged when syncs do nothing, and the check says so', async () => {
  await using temp = await tempFolder('bcdb-power');
  const plan = { name: 'ignored', lives: 1, batches: 40, erase: false, failOneIn: 0 };
  const disk = await recordRun(temp.path, plan);
  let failed = 0;
  for (let i = 0; i < 10; i++) {
    const faults = await faultsAt(disk, temp.path, disk.trace.length - i, true);
    if (faults.length > 0) failed++;
  }
  assert.ok(failed > 0, `no fault was found in 10 images: GRID_TEST_SEED=${seed}`);
});

/** Calls all over the run, and those right after what a start has told. */
function crashPoints(disk: PowerLossFiles): ReadonlySet<number> {
  const points = new Set<number>();
  const step = isLong ? 1 : Math.max(1, Math.floor(disk.trace.length / 50));
  for (let call = 0; call <= disk.trace.length; call += step) points.add(call);
  for (const [i, call] of disk.trace.entries()) {
    if (call.kind === 'mark' && (call.value as { isStart?: boolean }).isStart === true)
      points.add(i + 1);
  }
  return points;
}

async function recordRun(root: string, plan: Plan): Promise<PowerLossFiles> {
  const random = seededRandom(`${seed}/${plan.name}`);
  const live = path.join(root, 'live');
  fs.mkdirSync(live);
  const disk = new PowerLossFiles({ root: live });
  for (let life = 0; life < plan.lives; life++) {
    await oneLife(disk, plan, random);
    if (life === plan.lives - 1) break;
    disk.revive();
  }
  return disk;
}

async function oneLife(disk: PowerLossFiles, plan: Plan, random: Random): Promise<void> {
  const engine = await openAtLast(disk);
  disk.mark({ size: engine.head.size, isStart: true } satisfies Mark);
  if (plan.lives > 1) disk.killAfter(random.int(20, plan.batches * 6));
  const running: Promise<void>[] = [];
  for (let i = 0, from = engine.head.size; i < plan.batches; i++) {
    // Some batches have several frames.
    const batch = batchAt(from, random.int(0, 5) === 0 ? random.int(150, 400) : random.int(1, 40));
    from = batch.head.size;
    if (plan.failOneIn > 0 && random.int(0, plan.failOneIn) === 0) disk.failNextSync();
    const append = engine.append(batch).then(
      () => disk.mark({ size: batch.head.size } satisfies Mark),
      () => undefined,
    );
    running.push(append);
    if (random.int(0, 3) > 0) await append;
    if (plan.erase && random.int(0, 4) === 0) running.push(eraseSome(disk, engine, random));
  }
  await Promise.all(running);
  await engine.close();
}

/** A start whose syncs fail fails too, and the next one goes on. */
async function openAtLast(disk: PowerLossFiles): Promise<EmbeddedLog> {
  for (;;) {
    try {
      return await open(path.join(disk.root, 'log'), disk.files);
    } catch (error) {
      assert.equal(errorCode(error), 'EIO', String(error));
    }
  }
}

async function eraseSome(disk: PowerLossFiles, engine: EmbeddedLog, random: Random): Promise<void> {
  const { size } = engine.head;
  if (size === 0) return;
  const erased = [random.int(0, size), random.int(0, size)];
  await engine.eraseBodies(erased).then(
    () => disk.mark({ erased } satisfies Mark),
    () => undefined,
  );
}

/** Opens what a disk may hold after a loss of power, twice with an append between. */
async function faultsAt(
  disk: PowerLossFiles,
  root: string,
  call: number,
  ignoreSyncs: boolean,
): Promise<readonly string[]> {
  const target = fs.mkdtempSync(path.join(root, 'image-'));
  disk.crashImage(call, seededRandom(`${seed}/${call}`), target, ignoreSyncs);
  const marks = disk.marksBefore(call) as Mark[];
  const promised = Math.max(0, ...marks.map((mark) => ('size' in mark ? mark.size : 0)));
  const erased = new Set(marks.flatMap((mark) => ('erased' in mark ? mark.erased : [])));
  const faults: string[] = [];
  try {
    const folder = path.join(target, 'log');
    const head = fs.existsSync(folder) ? readHead(realFiles, folder) : 'missing';
    const headSize = typeof head === 'string' ? 0 : head.slot.head.size;
    if (headSize < promised) faults.push(`the head file says ${headSize} of ${promised}`);
    let size: number;
    {
      await using engine = await open(folder);
      faults.push(...(await faultsOf(engine, promised, erased)));
      size = engine.head.size + 3;
      await engine.append(batchAt(engine.head.size, 3));
    }
    await using engine = await open(folder);
    faults.push(...(await faultsOf(engine, size, erased)));
  } catch (error) {
    faults.push(String((error as Error).stack));
  }
  fs.rmSync(target, { recursive: true });
  return faults;
}

async function faultsOf(
  engine: EmbeddedLog,
  promised: number,
  erased: ReadonlySet<number>,
): Promise<string[]> {
  const { size, root } = engine.head;
  const faults: string[] = [];
  if (size < promised) faults.push(`${size} of ${promised} acknowledged records are there`);
  if (Buffer.compare(root, headAt(size).root) !== 0) faults.push(`wrong root at ${size}`);
  const found = await readAll(engine);
  if (found.length !== size) faults.push(`${found.length} of ${size} records can be read`);
  for (const fault of differences(found, 0, erased)) {
    // An erasure that was not yet acknowledged may have been carried out.
    const seq = /^body of (\d+) differs$/.exec(fault)?.[1];
    if (seq === undefined || found[Number(seq)]?.body !== undefined) faults.push(fault);
  }
  for await (const problem of engine.verify()) faults.push(`verify: ${JSON.stringify(problem)}`);
  return faults;
}
