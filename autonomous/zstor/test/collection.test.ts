import assert from 'node:assert/strict';
import { test } from 'node:test';
import { waitFor } from '@commongrid/base';
import { ManualClock } from '@commongrid/base/testing';
import { copyKey, shardKey } from '../src/backends/backend.ts';
import type { StoredBlob } from '../src/blob/written-blob.ts';
import { acceptRebuild, noteRebuild } from '../src/rebuild/rebuild-tables.ts';
import { insertBlob } from '../src/stor/blob-tables.ts';
import { fourPlusTwo, mebibyte, randomBytesOf } from './support/cluster.ts';
import { TidyCluster } from './support/tidy-cluster.ts';
import type { TidyHead } from './support/tidy-cluster.ts';

const small = 50_000;
const packedBytes = 126_000;

interface Made {
  readonly kept: { readonly blob: StoredBlob; readonly seed: string }[];
  /** Known, and to be removed. */
  readonly removed: StoredBlob[];
}

async function assertReads(head: TidyHead, blob: StoredBlob, seed: string, size: number) {
  assert.equal(Buffer.compare(await head.get(blob), randomBytesOf(size, seed)), 0, seed);
}

test('what was written for nothing is deleted, and nothing else', async () => {
  await using tidy = await TidyCluster.open();
  const former = tidy.head();
  const kept = await tidy.put(former, 5 * mebibyte, 'kept');
  const source = [randomBytesOf(5 * mebibyte, 'lost')];
  // A head that ends before it commits: nobody will ever know of this blob.
  await former.writer.write(source, { policy: fourPlusTwo });
  const head = tidy.head();
  const written = await head.writer.write(source, { policy: fourPlusTwo });
  const marker = Buffer.from('Z, and what others keep');
  for (const backend of tidy.cluster.pool.all) await backend.put(marker, Buffer.from('theirs'));
  await former.writer.idle();
  await head.writer.idle();
  const before = (await tidy.keys()).length;
  const first = await head.collection.runNow();
  // Two chunks of six shards each; those of the request that still runs stay.
  assert.deepEqual([first.orphans, (await tidy.keys()).length], [12, before - 12]);
  written.abandon();
  await head.writer.idle();
  assert.equal((await head.collection.runNow()).orphans, 12);
  const left = (await tidy.keys()).filter((key) => !key.endsWith(marker.toString('hex')));
  assert.deepEqual(left, tidy.expectedKeys());
  await assertReads(head, kept, 'kept', 5 * mebibyte);
});

test('a backend that was away gives back later what was removed meanwhile', async () => {
  await using tidy = await TidyCluster.open();
  const head = tidy.head();
  const blob = await tidy.put(head, 5 * mebibyte, 'going');
  await tidy.cluster.server(2).stop();
  await tidy.remove(head, blob);
  const { collected } = await head.collection.runNow();
  assert.deepEqual([collected, tidy.count('chunks')], [2, 0]);
  await tidy.cluster.server(2).start();
  const backend = tidy.cluster.pool.byNo(2);
  await backend?.get(Buffer.from('S'), 1);
  assert.equal((await tidy.keys()).length, 2);
  assert.equal((await head.collection.runNow()).orphans, 2);
  assert.deepEqual(await tidy.keys(), []);
});

test('a head that another one took over from deletes nothing', async () => {
  await using tidy = await TidyCluster.open();
  const steps: string[] = [];
  const former: TidyHead = tidy.head((step) => {
    steps.push(step);
    former.tables.isServing = false;
  });
  const dead = await tidy.put(former, small, 'dead');
  await tidy.remove(former, dead);
  await former.writer.write([randomBytesOf(small, 'orphan')], { policy: fourPlusTwo });
  const before = await tidy.keys();
  const refused = { code: 'ZSTOR_CATALOG_NOT_SERVING' };
  await assert.rejects(former.collection.collector.collect({ isAtOnce: true }), refused);
  former.tables.isServing = true;
  const later: TidyHead = tidy.head(() => (later.tables.isServing = false));
  for (const backend of tidy.cluster.pool.all) {
    later.tables.isServing = true;
    await later.collection.orphans.sweep(backend).catch(() => {});
  }
  assert.deepEqual(steps, ['dead chunks are chosen']);
  assert.deepEqual(await tidy.keys(), before);
});

test('what was written before another head served is not made known after it', async () => {
  await using tidy = await TidyCluster.open();
  const former = tidy.head();
  const source = [randomBytesOf(small, 'between')];
  const blob = await former.writer.write(source, { policy: fourPlusTwo });
  const between = tidy.head();
  assert.equal((await between.collection.runNow()).orphans, 3);
  tidy.head();
  const { secret, chunks } = blob;
  const row = { id: secret.id, keyNo: 0, wrappedKey: secret.key, chunks, isNew: true };
  const committed = blob.commit((records) =>
    former.tables.write((db) => insertBlob(db, row, records)),
  );
  await assert.rejects(committed, { code: 'ZSTOR_CATALOG_NOT_SERVING' });
});

test('tables that were rebuilt delete nothing before somebody accepts them', async () => {
  await using tidy = await TidyCluster.open();
  const former = tidy.head();
  const removed = await tidy.put(former, small, 'removed');
  await former.writer.write([randomBytesOf(small, 'unknown')], { policy: fourPlusTwo });
  const head = tidy.head();
  await head.tables.write((db) => noteRebuild(db, 0, 0));
  await tidy.remove(head, removed);
  const before = await tidy.keys();
  await head.collection.runNow();
  assert.deepEqual(await tidy.keys(), before);
  await head.tables.write(acceptRebuild);
  await head.collection.runNow();
  assert.deepEqual(await tidy.keys(), []);
});

test('in the background small objects are packed after 10 s, what is dead goes, then orphans', async () => {
  await using tidy = await TidyCluster.open();
  const former = tidy.head();
  const kept = await tidy.put(former, small, 'kept');
  const removed = await tidy.put(former, small, 'removed');
  await former.writer.write([randomBytesOf(small, 'orphan')], { policy: fourPlusTwo });
  await former.writer.idle();
  const head = tidy.head();
  await tidy.remove(head, removed);
  const clock = new ManualClock();
  const seen: string[] = [];
  await using collection = head.openCollection(clock);
  const note = (what: string, is: boolean): void => {
    if (is && !seen.includes(what)) seen.push(what);
  };
  // The servers answer in their own time.
  await waitFor(
    async () => {
      await clock.advance(250);
      const seconds = clock.monotonicMs() / 1000;
      const keys = await tidy.keys();
      note(`packed ${seconds >= 10 ? 'in time' : 'too soon'}`, tidy.count('slices') === 1);
      note(
        `removed ${seconds >= 10 ? 'in time' : 'too soon'}`,
        tidy.count('blobs') + tidy.count('dead') === 1,
      );
      const isTidy = String(keys) === String(tidy.expectedKeys());
      note(`tidy ${seconds >= 60 ? 'in time' : 'too soon'}`, isTidy && tidy.count('dead') === 0);
      return seen.length === 3;
    },
    { timeoutMs: 60_000, what: 'a tidy store' },
  );
  assert.deepEqual(seen.toSorted(), ['packed in time', 'removed in time', 'tidy in time']);
  await collection.close();
  await assertReads(head, kept, 'kept', small);
});

test('a backend without room is looked through again, and again after that', async () => {
  await using tidy = await TidyCluster.open();
  const head = tidy.head();
  const clock = new ManualClock();
  await using collection = head.openCollection(clock);
  const [full] = tidy.cluster.pool.all;
  assert.ok(full);
  const of = (keys: readonly string[]): number =>
    keys.filter((key) => key.startsWith(`${full.no} `)).length;
  const abandon = async (): Promise<void> => {
    const source = [randomBytesOf(mebibyte, 'abandoned')];
    (await head.writer.write(source, { policy: fourPlusTwo })).abandon();
    await head.writer.idle();
  };
  const until = async (what: string, isSo: (keys: readonly string[]) => boolean): Promise<void> => {
    const look = async (): Promise<boolean> => {
      await clock.advance(1_000);
      return isSo(await tidy.keys());
    };
    await waitFor(look, { timeoutMs: 60_000, everyMs: 5, what });
  };
  await abandon();
  await until('the first look', (keys) => keys.length === 0);
  Object.defineProperty(full, 'freeBytes', { get: () => 0 });
  for (const others of [5, 10]) {
    await abandon();
    await until('a look for room', (keys) => of(keys) === 0);
    assert.equal((await tidy.keys()).length, others);
  }
  await collection.close();
});

test('a shard that moved is deleted where it was, and never counts there again', async () => {
  await using tidy = await TidyCluster.open(7);
  const head = tidy.head();
  const blob = await tidy.put(head, mebibyte, 'moved');
  const [chunk] = blob.chunks;
  const record = chunk === undefined ? undefined : head.locations.find(chunk.id);
  assert.ok(record);
  const { id, locations } = record;
  const [formerNo = 0] = locations;
  const other = tidy.cluster.pool.all.find(({ no }) => !locations.includes(no));
  const former = tidy.cluster.pool.byNo(formerNo);
  assert.ok(other && former);
  const key = shardKey(id, 0);
  const value = await former.get(key, mebibyte);
  assert.ok(value);
  await other.put(key, value);
  const moved = [other.no, ...locations.slice(1)];
  head.snapshotChunks.push(id);
  const ofSnapshot = await head.collection.orphans.remove(other, [{ key, valueBytes: 1 }]);
  assert.equal(ofSnapshot.strays, 0);
  head.snapshotChunks.pop();
  // Nobody has said so yet: this one is the stray.
  const swept = await head.collection.orphans.remove(other, [{ key, valueBytes: 1 }]);
  assert.deepEqual(swept, { orphans: 0, strays: 1 });
  await other.put(key, value);
  assert.equal(await head.locations.compareAndSet(id, locations, moved), false);
  const elsewhere = [locations[1] ?? 0, formerNo, ...locations.slice(2)];
  await Promise.all([
    former.put(
      shardKey(id, 1),
      (await tidy.cluster.pool.byNo(locations[1] ?? 0)?.get(shardKey(id, 1), mebibyte)) ?? value,
    ),
    tidy.cluster.pool.byNo(locations[1] ?? 0)?.put(key, value),
  ]);
  assert.equal(await head.locations.compareAndSet(id, locations, elsewhere), true);
  const { strays } = await head.collection.runNow();
  assert.equal(strays, 3);
  assert.deepEqual(await tidy.keys(), tidy.expectedKeys());
  assert.equal(await head.locations.compareAndSet(id, elsewhere, locations), false);
  await assertReads(head, blob, 'moved', mebibyte);
});

test('a shard elsewhere stays while one of its chunk is away', async () => {
  await using tidy = await TidyCluster.open(7);
  const head = tidy.head();
  const blob = await tidy.put(head, small, 'away');
  const [chunk] = blob.chunks;
  const record = chunk === undefined ? undefined : head.locations.find(chunk.id);
  assert.ok(record);
  const other = tidy.cluster.pool.all.find(({ no }) => !record.locations.includes(no));
  const [firstNo = 0] = record.locations;
  const value = await tidy.cluster.pool.byNo(firstNo)?.get(copyKey(record.id), small);
  assert.ok(other && value);
  await other.put(copyKey(record.id), value);
  await tidy.cluster.server(firstNo).stop();
  await assert.rejects(async () => tidy.cluster.pool.byNo(firstNo)?.get(Buffer.from('x'), 1));
  const keys = [{ key: copyKey(record.id), valueBytes: value.length }];
  const { strays } = await head.collection.orphans.remove(other, keys);
  assert.equal(strays, 0);
  assert.notEqual(await other.get(copyKey(record.id), small), undefined);
});

test('repair of a chunk that dies meanwhile comes to nothing, and leaves nothing', async () => {
  await using tidy = await TidyCluster.open(7);
  const head = tidy.head();
  const blob = await tidy.put(head, mebibyte, 'repaired');
  const [chunk] = blob.chunks;
  const record = chunk === undefined ? undefined : head.locations.find(chunk.id);
  assert.ok(record);
  const other = tidy.cluster.pool.all.find(({ no }) => !record.locations.includes(no));
  assert.ok(other);
  const value = await tidy.cluster.pool
    .byNo(record.locations[0] ?? 0)
    ?.get(shardKey(record.id, 0), mebibyte);
  assert.ok(value);
  const collecting = tidy.remove(head, blob).then(() => head.collection.runNow());
  await other.put(shardKey(record.id, 0), value);
  const next = [other.no, ...record.locations.slice(1)];
  const isMoved = await head.locations.compareAndSet(record.id, record.locations, next);
  await collecting;
  await head.collection.runNow();
  assert.equal(isMoved, false);
  assert.deepEqual(await tidy.keys(), []);
  assert.equal(tidy.count('chunks'), 0);
});

/** Some go, some stay; packs are made, and made again. */
async function workOf(tidy: TidyCluster, head: TidyHead, made: Made): Promise<void> {
  for (const round of ['a', 'b', 'c']) {
    for (let at = 0; at < 16; at++) {
      const seed = `${round}${at}`;
      const blob = await tidy.put(head, packedBytes, seed);
      if (at % 8 === 0) made.kept.push({ blob, seed });
      else made.removed.push(blob);
    }
    await head.collection.packer.pack({ isAtOnce: true });
    for (let blob = made.removed.pop(); blob !== undefined; blob = made.removed.pop()) {
      await tidy.remove(head, blob);
    }
    await head.collection.runNow();
  }
  await head.collection.runNow();
}

async function stepsOfWork(): Promise<string[]> {
  await using tidy = await TidyCluster.open();
  const steps: string[] = [];
  await workOf(
    tidy,
    tidy.head((step) => steps.push(step)),
    { kept: [], removed: [] },
  );
  return steps;
}

async function endAfter(last: number): Promise<void> {
  await using tidy = await TidyCluster.open();
  let step = 0;
  let ended = 'nowhere';
  const former: TidyHead = tidy.head((name) => {
    step++;
    if (step < last) return;
    if (step === last) ended = name;
    // What it would still do is that of a process which is not there any more.
    former.tables.isServing = false;
    throw new Error('ended');
  });
  const made: Made = { kept: [], removed: [] };
  await assert.rejects(workOf(tidy, former, made));
  await former.writer.idle();
  const head = tidy.head();
  for (const { blob, seed } of made.kept) await assertReads(head, blob, seed, packedBytes);
  for (const blob of made.removed) await tidy.remove(head, blob);
  await head.collection.runNow();
  await head.collection.runNow();
  assert.deepEqual(await tidy.keys(), tidy.expectedKeys(), `after ${ended}`);
  assert.equal(tidy.count('slices'), made.kept.length, `after ${ended}`);
  for (const { blob, seed } of made.kept) await assertReads(head, blob, seed, packedBytes);
}

test('after each step a head may end: the next one finds all objects, and leaves nothing over', async () => {
  const steps = await stepsOfWork();
  const isLong = process.env['GRID_TEST_LONG'] === '1';
  const names = new Set(steps);
  assert.ok(names.has('objects are read from the new pack'), [...names].join());
  // The first and the last time of each; in a long test all of them.
  const chosen = isLong
    ? steps.map((_, at) => at)
    : [...names].flatMap((name) => [steps.indexOf(name), steps.lastIndexOf(name)]);
  for (const at of new Set(chosen)) await endAfter(at + 1);
});
