import assert from 'node:assert/strict';
import { hash } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { errorCode, seededRandom } from '@commongrid/base';
import { tempFolder } from '@commongrid/base/testing';
import type { Files } from '@commongrid/files';
import { faultyFiles, PowerLossFiles } from '@commongrid/files/testing';
import type { LogHead } from '../src/log/log-engine.ts';
import { Frontier } from '../src/tree/frontier.ts';
import { HashStore, unsyncedLeavesMax } from '../src/tree/hash-store.ts';
import { treeHasher } from '../src/tree/node-hasher.ts';
import { isConsistent, isIncluded } from '../src/tree/proof.ts';

const seed = process.env['GRID_TEST_SEED'] ?? String(Date.now());
// Real syncs take most of the time, and prove nothing here.
const quick = faultyFiles(() => undefined);

/** Three levels of tiles: 256 * 256 and some more. */
const total = unsyncedLeavesMax + 700;
const leafHashes = Array.from({ length: total }, (_, seq) => hash('sha256', `${seq}`, 'buffer'));
const roots = rootsOf(leafHashes);

/** A log that has `size` leaves, and counts which of them were read. */
class FakeLog {
  readonly head: LogHead;
  read = 0;

  constructor(size: number) {
    this.head = headAt(size);
  }

  async *leafHashes(from: number, to: number): AsyncGenerator<readonly Uint8Array[]> {
    for (let at = from; at < to; at += 1000) {
      const group = leafHashes.slice(at, Math.min(at + 1000, to));
      this.read += group.length;
      yield await Promise.resolve(group);
    }
  }

  open(folder: string, files: Files = quick): Promise<HashStore> {
    const read = (from: number, to: number): AsyncGenerator<readonly Uint8Array[]> =>
      this.leafHashes(from, to);
    return HashStore.open({ folder, head: this.head, leafHashes: read, files });
  }
}

test('hash store gives the roots, proofs and tiles of the log at every size', async () => {
  await using temp = await tempFolder('bcdb-tree');
  await using store = await new FakeLog(0).open(temp.path);
  assertSame(store.rootAt(0), treeHasher.emptyRoot);
  const random = seededRandom(seed);
  for (let from = 0; from < total;) {
    const to = Math.min(total, from + 1 + random.int(0, 4000));
    store.append(leafHashes.slice(from, to));
    assertSame(store.rootAt(to), rootAt(to), `${to} leaves, GRID_TEST_SEED=${seed}`);
    from = to;
  }
  assertWhole(store, total);
  assertSame(store.frontier().root(), rootAt(total));
});

test('hash store serves tiles as tlog-tiles defines them', async () => {
  await using temp = await tempFolder('bcdb-tree');
  await using store = await new FakeLog(total).open(temp.path);
  const bytes = (from: number, to: number): Uint8Array =>
    new Uint8Array(Buffer.concat(leafHashes.slice(from, to)));
  assert.deepEqual(store.tileBytes(0, 0, 256), bytes(0, 256));
  assert.deepEqual(store.tileBytes(0, 3, 5), bytes(768, 773));
  const last = Math.floor(total / 256);
  assert.deepEqual(store.tileBytes(0, last, total % 256), bytes(last * 256, total));
  const rootOf = (from: number, to: number): string => {
    const frontier = new Frontier(treeHasher);
    for (const leafHash of leafHashes.slice(from, to)) frontier.append(leafHash);
    return frontier.root().toHex();
  };
  assert.equal(store.tileBytes(1, 0, 2).subarray(32).toHex(), rootOf(256, 512));
  assert.equal(store.tileBytes(2, 0, 1).toHex(), rootOf(0, 65_536));
  const wrong: [number, number, number][] = [
    [0, last, (total % 256) + 1],
    [0, last + 1, 1],
    [0, 0, 0],
    [0, 0, 257],
    [2, 0, 2],
    [3, 0, 1],
    [60, 0, 1],
  ];
  for (const [level, index, width] of wrong) {
    assert.throws(() => store.tileBytes(level, index, width), { code: 'BCDB_SEQ_UNKNOWN' });
  }
  assert.throws(() => store.leafHash(total), { code: 'BCDB_SEQ_UNKNOWN' });
  assert.throws(() => store.leafHash(-1), { code: 'BCDB_SEQ_UNKNOWN' });
});

test('hash store reads nothing of the log after it was closed', async () => {
  await using temp = await tempFolder('bcdb-tree');
  for (const size of [0, 1, 255, 256, 257, 5000, 5000, 65_536, total]) {
    const log = new FakeLog(size);
    const before = fs.existsSync(mark(temp.path)) ? markedSize(temp.path) : 0;
    const store = await log.open(temp.path);
    assert.equal(log.read, size - before);
    assertWhole(store, size);
    await store.close();
    await store.close();
  }
});

test('hash store says that it is closed, and changes nothing then', async () => {
  await using temp = await tempFolder('bcdb-tree');
  const store = await new FakeLog(900).open(temp.path);
  await Promise.all([store.close(), store.close()]);
  for (const call of [
    () => store.append(leafHashes.slice(900, 901)),
    () => store.leafHash(3),
    () => store.rootAt(900),
    () => store.inclusionProof(3, 900),
  ]) {
    assert.throws(call, { code: 'BASE_CLOSED' });
  }
  const log = new FakeLog(900);
  await using again = await log.open(temp.path);
  assert.equal(log.read, 0);
  assertWhole(again, 900);
});

test('hash store that ran ahead of the log is cut back to its head', async () => {
  await using temp = await tempFolder('bcdb-tree');
  await (await new FakeLog(66_000).open(temp.path)).close();
  for (const size of [65_536, 65_535, 700, 256, 3, 0]) {
    const log = new FakeLog(size);
    await using store = await log.open(temp.path);
    assert.equal(log.read, 0);
    assertWhole(store, size);
    store.append(leafHashes.slice(size, size + 300));
    assertSame(store.rootAt(size + 300), rootAt(size + 300));
  }
});

test('hash store of another log is made anew', async () => {
  await using temp = await tempFolder('bcdb-tree');
  const other = Array.from({ length: 900 }, (_, seq) => hash('sha256', `other ${seq}`, 'buffer'));
  const store = await new FakeLog(0).open(temp.path);
  store.append(other);
  await store.close();
  for (const size of [600, 2000]) {
    const log = new FakeLog(size);
    await using made = await log.open(temp.path);
    assertWhole(made, size);
  }
});

test('hash store finds damage wherever it is and is whole after the next start', async () => {
  const size = 3000;
  for (const name of ['level-0', 'level-1', 'synced']) {
    await using temp = await tempFolder('bcdb-tree');
    await (await new FakeLog(size).open(temp.path)).close();
    const target = path.join(temp.path, name);
    const bytes = fs.readFileSync(target);
    for (const place of places(bytes.length)) {
      fs.writeFileSync(target, bytes.with(place, (bytes[place] ?? 0) ^ 1));
      const first = await new FakeLog(size).open(temp.path);
      assertWholeOrDamaged(first, size);
      await first.close();
      await using second = await new FakeLog(size).open(temp.path);
      assertWhole(second, size);
    }
    for (const length of [0, 33, bytes.length - 1]) {
      fs.truncateSync(target, length);
      await using store = await new FakeLog(size).open(temp.path);
      assertWhole(store, size);
    }
    fs.rmSync(target);
    await using store = await new FakeLog(size).open(temp.path);
    assertWhole(store, size);
  }
});

test('hash store refuses a log whose leaves do not come to its head', async () => {
  await using temp = await tempFolder('bcdb-tree');
  const log = new FakeLog(1000);
  const head = { size: 1000, root: headAt(999).root };
  const read = (from: number, to: number): AsyncIterable<readonly Uint8Array[]> =>
    log.leafHashes(from, to);
  const opened = HashStore.open({ folder: temp.path, head, leafHashes: read, files: quick });
  await assert.rejects(opened, { code: 'BCDB_LOG_CORRUPT' });
  const short = (from: number): AsyncIterable<readonly Uint8Array[]> => log.leafHashes(from, 900);
  const cut = HashStore.open({
    folder: temp.path,
    head: log.head,
    leafHashes: short,
    files: quick,
  });
  await assert.rejects(cut, { code: 'BCDB_LOG_CORRUPT' });
});

test('hash store stops after a failed write and is whole after the next start', async () => {
  for (const name of ['level-0', 'level-1']) {
    await using temp = await tempFolder('bcdb-tree');
    let isFull = false;
    const files = faultyFiles((call) =>
      isFull && call.name === 'write' && call.path.endsWith(name) ? { code: 'ENOSPC' } : undefined,
    );
    const store = await new FakeLog(1000).open(temp.path, files);
    isFull = true;
    const more = leafHashes.slice(1000, 2000);
    assert.throws(() => store.append(more), { code: 'BCDB_TREE_STOPPED', retryable: true });
    isFull = false;
    assert.throws(() => store.append(more), { code: 'BCDB_TREE_STOPPED' });
    assert.equal(store.size, 1000);
    assertWhole(store, 1000);
    await store.close();
    await using again = await new FakeLog(2000).open(temp.path);
    assertWhole(again, 2000);
  }
});

test('hash store moves its mark no more once a sync has failed', async () => {
  await using temp = await tempFolder('bcdb-tree');
  let isBroken = false;
  const files = faultyFiles((call) =>
    isBroken && call.name === 'sync' ? { code: 'EIO' } : undefined,
  );
  const store = await new FakeLog(500).open(temp.path, files);
  isBroken = true;
  store.append(leafHashes.slice(500, unsyncedLeavesMax + 600));
  assertSame(store.rootAt(66_000), rootAt(66_000));
  await store.close();
  assert.equal(markedSize(temp.path), 500);
});

test('hash store syncs behind the appends after a bounded number of leaves', async () => {
  await using temp = await tempFolder('bcdb-tree');
  const synced = Promise.withResolvers<void>();
  const files = faultyFiles((call) => {
    if (call.name === 'rename' && call.path.includes('synced')) synced.resolve();
    return undefined;
  });
  await using store = await new FakeLog(10).open(temp.path, files);
  store.append(leafHashes.slice(10, unsyncedLeavesMax + 10));
  await synced.promise;
  await store.close();
  assert.equal(markedSize(temp.path), unsyncedLeavesMax + 10);
});

test('hash store is whole after every loss of power', async () => {
  await using temp = await tempFolder('bcdb-tree');
  const disk = await recordLives(temp.path);
  const random = seededRandom(`${seed}/images`);
  for (let call = 0; call <= disk.trace.length; call++) {
    const size = random.int(0, 3500);
    await using image = await tempFolder('bcdb-tree-image');
    disk.crashImage(call, random, image.path);
    await using store = await new FakeLog(size).open(path.join(image.path, 'tree'));
    assertWhole(store, size, `call ${call}, size ${size}, GRID_TEST_SEED=${seed}`);
  }
});

test('hash store on a disk whose syncs do nothing is damaged, and says so', async () => {
  await using temp = await tempFolder('bcdb-tree');
  const disk = await recordLives(temp.path);
  const random = seededRandom(`${seed}/ignored`);
  let damaged = 0;
  for (let round = 0; round < 60 && damaged === 0; round++) {
    await using image = await tempFolder('bcdb-tree-image');
    disk.crashImage(disk.trace.length, random, image.path, true);
    await using store = await new FakeLog(3500).open(path.join(image.path, 'tree'));
    if (!assertWholeOrDamaged(store, 3500)) damaged++;
  }
  assert.ok(damaged > 0, `no damage in 60 images, GRID_TEST_SEED=${seed}`);
});

/** Some processes that keep hashes, one after the other; some close, others are killed. */
async function recordLives(root: string): Promise<PowerLossFiles> {
  const disk = new PowerLossFiles({ root });
  const random = seededRandom(`${seed}/lives`);
  for (const size of [0, 900, 400, 1500, 1400, 2600]) {
    const store = await new FakeLog(size).open(path.join(root, 'tree'), disk.files);
    for (let at = size; at < size + 600; at += 150) store.append(leafHashes.slice(at, at + 150));
    if (random.int(0, 2) === 0) disk.kill();
    await store.close();
    disk.revive();
  }
  return disk;
}

/** Every leaf hash, and some proofs, are those of the log. */
function assertWhole(store: HashStore, size: number, message = `${size} leaves`): void {
  assert.equal(store.size, size, message);
  assertSame(store.rootAt(size), rootAt(size), message);
  for (let seq = 0; seq < size; seq++) {
    assertSame(store.leafHash(seq), leafAt(seq), message);
  }
  for (const seq of places(size)) {
    const root = rootAt(size);
    const sisters = store.inclusionProof(seq, size);
    const inclusion = { leafHash: leafAt(seq), seq, size, root, path: sisters };
    assert.ok(isIncluded(treeHasher, inclusion), message);
    const [oldSize, oldRoot] = [seq + 1, rootAt(seq + 1)];
    const proof = store.consistencyProof(oldSize, size);
    const claim = { oldSize, oldRoot, newSize: size, newRoot: root, path: proof };
    assert.ok(isConsistent(treeHasher, claim), message);
  }
}

function assertSame(actual: Uint8Array, expected: Uint8Array, message = 'hash'): void {
  assert.equal(actual.toHex(), expected.toHex(), message);
}

/** Whether it is whole; a store that is not must say so, and give out nothing wrong. */
function assertWholeOrDamaged(store: HashStore, size: number): boolean {
  try {
    assertWhole(store, size);
    return true;
  } catch (error) {
    assert.equal(errorCode(error), 'BCDB_TREE_DAMAGED');
    return false;
  }
}

/** Some positions below `length`, the first and the last among them. */
function places(length: number): number[] {
  if (length === 0) return [];
  const random = seededRandom(`${seed}/${length}`);
  return [0, length - 1, ...Array.from({ length: 12 }, () => random.int(0, length))];
}

function mark(folder: string): string {
  return path.join(folder, 'synced');
}

function markedSize(folder: string): number {
  return Number(fs.readFileSync(mark(folder), 'latin1').split(' ')[2]);
}

function headAt(size: number): LogHead {
  return { size, root: rootAt(size) };
}

function rootAt(size: number): Uint8Array {
  return roots[size] ?? assert.fail(`no root of ${size} leaves`);
}

function leafAt(seq: number): Uint8Array {
  return leafHashes[seq] ?? assert.fail(`no leaf ${seq}`);
}

function rootsOf(hashes: readonly Uint8Array[]): Uint8Array[] {
  const frontier = new Frontier(treeHasher);
  const all = [frontier.root()];
  for (const leafHash of hashes) {
    frontier.append(leafHash);
    all.push(frontier.root());
  }
  return all;
}
