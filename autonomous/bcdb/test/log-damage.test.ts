import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { isGridError } from '@commongrid/base';
import type { GridError } from '@commongrid/base';
import { tempFolder } from '@commongrid/base/testing';
import { faultyFiles } from '@commongrid/files/testing';
import type { Fault, FaultyCall } from '@commongrid/files/testing';
import { EmbeddedLog } from '../src/log/embedded/embedded-log.ts';
import { verifyLogFolder } from '../src/log/embedded/verify-folder.ts';
import type { LogProblem } from '../src/log/log-problem.ts';
import { batchAt, differences, headAt, readAll } from '../src/testing/index.ts';

const log = Buffer.alloc(32, 9);

/** A folder of files whose calls fail as the test says; quick, since nothing is synced. */
interface Sample extends AsyncDisposable {
  readonly folder: string;
  open(): Promise<EmbeddedLog>;
  /** Content of all files but the lock. */
  content(): Map<string, Buffer>;
  reset(content: ReadonlyMap<string, Buffer>): void;
  fault: (call: FaultyCall) => Fault;
}

async function makeSample(segmentBytes = 64 * 1024 * 1024): Promise<Sample> {
  const temp = await tempFolder('bcdb-damage');
  const folder = path.join(temp.path, 'log');
  const names = (): string[] => fs.readdirSync(folder).filter((name) => name !== 'LOCK');
  const sample: Sample = {
    folder,
    fault: () => undefined,
    open: () => {
      const files = faultyFiles((call) => sample.fault(call));
      return EmbeddedLog.open({ folder, log, segmentBytes, files });
    },
    content: () => new Map(names().map((name) => [name, fs.readFileSync(path.join(folder, name))])),
    reset: (content) => {
      for (const name of names()) fs.unlinkSync(path.join(folder, name));
      for (const [name, bytes] of content) fs.writeFileSync(path.join(folder, name), bytes);
    },
    [Symbol.asyncDispose]: () => temp[Symbol.asyncDispose](),
  };
  return sample;
}

async function fill(sample: Sample, batches: readonly number[]): Promise<void> {
  await using engine = await sample.open();
  for (const count of batches) await engine.append(batchAt(engine.head.size, count));
}

async function refusal(sample: Sample): Promise<GridError> {
  const engine = await sample.open().catch((error: unknown) => {
    if (isGridError(error)) return error;
    throw error;
  });
  if (isGridError(engine)) return engine;
  await engine.close();
  throw new Error('the log opened');
}

async function problemsOf(sample: Sample): Promise<LogProblem[]> {
  const problems: LogProblem[] = [];
  for await (const one of verifyLogFolder({ folder: sample.folder, log })) problems.push(one);
  return problems;
}

const first = '000000000000.bcdb';

/** The head file as it was before the last append: what stands above it is not acknowledged. */
async function withTail(sample: Sample): Promise<Map<string, Buffer>> {
  await fill(sample, [5, 5]);
  const head = fs.readFileSync(path.join(sample.folder, 'head'));
  {
    // Both are written before the head after the first of them.
    await using engine = await sample.open();
    await Promise.all([engine.append(batchAt(10, 3)), engine.append(batchAt(13, 4))]);
  }
  return new Map([...sample.content(), ['head', head]]);
}

test('embedded log keeps whole batches above its head, wherever the file was cut', async () => {
  await using sample = await makeSample();
  const content = await withTail(sample);
  const bytes = content.get(first) ?? Buffer.alloc(0);
  const ends = await batchEnds(sample, content, bytes.length);
  for (let cut = ends[1] ?? 0; cut <= bytes.length; cut += 7) {
    sample.reset(new Map([...content, [first, bytes.subarray(0, cut)]]));
    await using engine = await sample.open();
    const size = [10, 13, 17][ends.slice(1).findLastIndex((end) => end <= cut)];
    assert.equal(engine.head.size, size, `cut at ${cut}`);
    assert.deepEqual(differences(await readAll(engine), 0), []);
    const isTorn = !ends.includes(cut);
    assert.equal(engine.events.length, isTorn ? 1 : 0);
    const [event] = engine.events;
    if (event === undefined) continue;
    const torn = fs.readFileSync(event.path);
    assert.equal(Buffer.compare(torn, bytes.subarray(cut - torn.length, cut)), 0);
  }
});

test('embedded log finds every flipped bit of its last frames', async () => {
  await using sample = await makeSample();
  const content = await withTail(sample);
  const bytes = content.get(first) ?? Buffer.alloc(0);
  const ends = await batchEnds(sample, content, bytes.length);
  for (let at = ends[0] ?? 0; at < bytes.length; at += 5) {
    const flipped = Buffer.from(bytes);
    flipped[at] = (flipped[at] ?? 0) ^ (1 << (at % 8));
    sample.reset(new Map([...content, [first, flipped]]));
    if (at < (ends[1] ?? 0)) {
      const error = await refusal(sample);
      assert.equal(error.code, 'BCDB_LOG_CORRUPT', `flip at ${at}`);
      assert.equal(error.details['seq'], 5, `flip at ${at}`);
      continue;
    }
    const isInThird = at < (ends[2] ?? 0);
    await using engine = await sample.open();
    assert.equal(engine.head.size, isInThird ? 10 : 13, `flip at ${at}`);
    assert.deepEqual(differences(await readAll(engine), 0), []);
  }
});

/** Offsets at which the batches of `withTail` end: found by what opens whole. */
async function batchEnds(
  sample: Sample,
  content: ReadonlyMap<string, Buffer>,
  length: number,
): Promise<number[]> {
  const bytes = content.get(first) ?? Buffer.alloc(0);
  const ends: number[] = [];
  for (let at = bytes.indexOf('BCDF', 1); at >= 0; at = bytes.indexOf('BCDF', at + 1)) {
    ends.push(at);
  }
  assert.equal(ends.length, 3, `four batches are four frames in ${sample.folder}`);
  return [...ends, length];
}

test('embedded log names the first bad record below its head and changes nothing', async () => {
  await using sample = await makeSample(1500);
  await fill(sample, [6, 6, 6, 6, 6, 6, 6, 6]);
  const content = sample.content();
  const names = [...content.keys()].filter((name) => name.endsWith('.bcdb'));
  assert.ok(names.length >= 3, 'there are several segments');
  const last = names.at(-1) ?? '';
  const cut = new Map([...content, [last, Buffer.alloc(0)]]);
  const gone = new Map([...content].filter(([name]) => name !== names[1]));
  const cases: [string, Map<string, Buffer>, number][] = [
    ['last segment cut', cut, Number(last.slice(0, 12))],
    ['segment in the middle gone', gone, Number((names[1] ?? '').slice(0, 12))],
    ['all segments gone', new Map([...content].filter(([name]) => name === 'head')), 0],
  ];
  for (const [what, damaged, seq] of cases) {
    sample.reset(damaged);
    const error = await refusal(sample);
    assert.equal(error.code, 'BCDB_LOG_CORRUPT', what);
    assert.equal(error.details['seq'], seq, what);
    assert.deepEqual(sample.content(), damaged, what);
    const problems = await problemsOf(sample);
    assert.equal(problems[0]?.seq, seq, what);
  }
});

test('embedded log finds damage in a finished segment when it is read, and by verify', async () => {
  await using sample = await makeSample(1500);
  await fill(sample, [6, 6, 6, 6, 6, 6, 6, 6]);
  const content = sample.content();
  const bytes = Buffer.from(content.get(first) ?? []);
  const second = bytes.indexOf('BCDF', 1);
  bytes[second + 200] = (bytes[second + 200] ?? 0) ^ 1;
  sample.reset(new Map([...content, [first, bytes]]));
  await using engine = await sample.open();
  assert.deepEqual(differences(await readAll(engine, 0, 6), 0), []);
  assert.deepEqual(differences(await readAll(engine, 12, 48), 12), []);
  await assert.rejects(readAll(engine), (error) => {
    assert.ok(isGridError(error, 'BCDB_LOG_CORRUPT'));
    assert.equal(error.details['seq'], 6);
    return true;
  });
  const [problem, ...others] = await Array.fromAsync(engine.verify());
  assert.deepEqual([problem?.seq, problem?.end, problem?.offset], [6, 12, second]);
  assert.deepEqual(others, []);
});

test('embedded log believes its frames when they tell of a later head than the head file', async () => {
  await using sample = await makeSample();
  await fill(sample, [5]);
  const head = fs.readFileSync(path.join(sample.folder, 'head'));
  await fill(sample, [5, 5]);
  const content = sample.content();
  const bytes = Buffer.from(content.get(first) ?? []);
  const second = bytes.indexOf('BCDF', 1);
  bytes[second + 200] = (bytes[second + 200] ?? 0) ^ 1;
  // The third frame says that the second had been acknowledged.
  sample.reset(new Map([...content, ['head', head], [first, bytes]]));
  assert.equal((await refusal(sample)).details['seq'], 5);
});

test('embedded log survives a lost index of a finished segment', async () => {
  await using sample = await makeSample(1500);
  await fill(sample, [6, 6, 6, 6, 6, 6, 6, 6]);
  const content = sample.content();
  const bytes = content.get(first) ?? Buffer.alloc(0);
  sample.reset(new Map([...content, [first, bytes.subarray(0, bytes.length - 3)]]));
  await using engine = await sample.open();
  assert.deepEqual(differences(await readAll(engine), 0), []);
  assert.equal(engine.head.size, 48);
});

test('embedded log without a readable head asks for the last one that anybody saw', async () => {
  await using sample = await makeSample();
  await fill(sample, [5, 5]);
  const content = sample.content();
  const head = content.get('head') ?? Buffer.alloc(0);
  const half = Buffer.from(head);
  half.fill(0, 0, 4096);
  const otherHalf = Buffer.from(head);
  otherHalf.fill(0, 4096);
  const newest = [half, otherHalf].map((bytes) => new Map([...content, ['head', bytes]]));
  const cases = [
    new Map([...content, ['head', Buffer.alloc(head.length)]]),
    new Map([...content].filter(([name]) => name !== 'head')),
  ];
  for (const damaged of cases) {
    sample.reset(damaged);
    assert.equal((await refusal(sample)).code, 'BCDB_LOG_HEAD_LOST');
    assert.deepEqual(sample.content(), damaged);
    const tooFar = { folder: sample.folder, log, restoreHead: headAt(11) };
    await assert.rejects(EmbeddedLog.open(tooFar), { code: 'BCDB_LOG_CORRUPT' });
    const other = { folder: sample.folder, log, restoreHead: { size: 5, root: headAt(4).root } };
    await assert.rejects(EmbeddedLog.open(other), { code: 'BCDB_LOG_CORRUPT' });
    await using engine = await EmbeddedLog.open({ ...tooFar, restoreHead: headAt(5) });
    assert.equal(engine.head.size, 10);
  }
  // One slot lost: the log goes beyond the older one, or it cannot be told that nothing is missing.
  const outcomes: string[] = [];
  for (const damaged of newest) {
    sample.reset(damaged);
    const engine = await sample.open().catch((error: unknown) => error);
    if (engine instanceof EmbeddedLog) {
      outcomes.push(`open at ${engine.head.size}`);
      await engine.close();
    } else outcomes.push(isGridError(engine) ? engine.code : String(engine));
  }
  assert.deepEqual(outcomes.sort(), ['BCDB_LOG_HEAD_LOST', 'open at 10']);
});

test('embedded log refuses the folder of another log and segments of another fork', async () => {
  await using sample = await makeSample();
  await fill(sample, [5]);
  const other = { folder: sample.folder, log: Buffer.alloc(32, 1) };
  await assert.rejects(EmbeddedLog.open(other), { code: 'BCDB_OTHER_LOG' });
  await using fork = await makeSample();
  {
    await using engine = await fork.open();
    await engine.append({ ...batchAt(0, 5), head: { size: 5, root: Buffer.alloc(32, 5) } });
  }
  const head = fork.content().get('head') ?? Buffer.alloc(0);
  sample.reset(new Map([...sample.content(), ['head', head]]));
  assert.equal((await refusal(sample)).code, 'BCDB_LOG_CORRUPT');
});

test('embedded log on a full disk keeps what it has and goes on once there is room', async () => {
  await using sample = await makeSample();
  await fill(sample, [5]);
  {
    await using engine = await sample.open();
    sample.fault = ({ name, path: file }) =>
      name === 'write' && file.endsWith('.bcdb') ? { code: 'ENOSPC' } : undefined;
    const failed = engine.append(batchAt(5, 5));
    const behind = engine.append(batchAt(10, 5));
    await assert.rejects(failed, { code: 'BCDB_LOG_FULL' });
    await assert.rejects(behind, (error) => isGridError(error));
    await assert.rejects(engine.append(batchAt(5, 5)), { code: 'BCDB_LOG_STOPPED' });
    assert.deepEqual(differences(await readAll(engine), 0), []);
  }
  sample.fault = () => undefined;
  await fill(sample, [5]);
  await using engine = await sample.open();
  assert.equal(engine.head.size, 10);
  assert.deepEqual(engine.events, []);
});

for (const file of ['.bcdb', 'head']) {
  test(`embedded log stops when ${file} cannot be synced, and never tries that again`, async () => {
    await using sample = await makeSample();
    await fill(sample, [5]);
    let syncs = 0;
    const engine = await sample.open();
    sample.fault = (call) => {
      if (call.name !== 'sync' || !call.path.endsWith(file)) return undefined;
      syncs++;
      return { code: 'EIO' };
    };
    await assert.rejects(engine.append(batchAt(5, 5)), { code: 'BCDB_LOG_STOPPED' });
    await assert.rejects(engine.append(batchAt(5, 5)), { code: 'BCDB_LOG_STOPPED' });
    assert.equal(engine.head.size, 5);
    await engine.close();
    assert.equal(syncs, 1);
    sample.fault = () => undefined;
    await using again = await sample.open();
    assert.equal(again.head.size, 10, 'the frames are there whole');
    assert.deepEqual(differences(await readAll(again), 0), []);
  });
}

test('embedded log acknowledges what was on disk before a later write failed', async () => {
  await using sample = await makeSample();
  await using engine = await sample.open();
  let writes = 0;
  sample.fault = ({ name, path: file }) => {
    if (name !== 'write' || !file.endsWith('.bcdb')) return undefined;
    return ++writes > 1 ? { code: 'EIO' } : undefined;
  };
  const appends = [batchAt(0, 5), batchAt(5, 5), batchAt(10, 5)].map((one) => engine.append(one));
  const outcomes = await Promise.allSettled(appends);
  assert.equal(outcomes[0]?.status, 'fulfilled');
  assert.deepEqual([outcomes[1]?.status, outcomes[2]?.status], ['rejected', 'rejected']);
  assert.equal(engine.head.size, 5);
  sample.fault = () => undefined;
});

test('embedded log leaves no erased body in any file', async () => {
  await using sample = await makeSample();
  const secret = 'a name that somebody asked to be forgotten';
  {
    await using engine = await sample.open();
    await engine.append(batchAt(0, 4));
    const { entries } = batchAt(4, 1);
    const leaf = entries[0]?.leaf ?? Buffer.alloc(1);
    const body = Buffer.from(`${'s'.repeat(16)}${secret}`);
    await engine.append({ from: 4, entries: [{ leaf, body }], head: headAt(5) });
  }
  const holders = (): string[] =>
    [...sample.content()].filter(([, bytes]) => bytes.includes(secret)).map(([name]) => name);
  assert.deepEqual(holders(), [first]);
  fs.appendFileSync(path.join(sample.folder, first), `torn ${secret}`);
  await using engine = await sample.open();
  assert.equal(holders().length, 2, 'a torn end has it too');
  await engine.eraseBodies([4]);
  assert.deepEqual(holders(), []);
  assert.equal((await readAll(engine, 4, 5))[0]?.body, undefined);
});
