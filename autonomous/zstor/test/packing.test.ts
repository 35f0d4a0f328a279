import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { StoredBlob } from '../src/blob/written-blob.ts';
import { fourPlusTwo, mebibyte, randomBytesOf } from './support/cluster.ts';
import { TidyCluster } from './support/tidy-cluster.ts';
import type { TidyHead } from './support/tidy-cluster.ts';

const kibibyte = 1024;

interface Kept {
  readonly blob: StoredBlob;
  readonly bytes: Buffer;
}

async function putMany(
  tidy: TidyCluster,
  head: TidyHead,
  count: number,
  sizeBytes: number,
  seed: string,
): Promise<Kept[]> {
  const puts = Array.from({ length: count }, async (_, at): Promise<Kept> => {
    const name = `${seed}-${at}`;
    const size = sizeBytes + at;
    return { blob: await tidy.put(head, size, name), bytes: randomBytesOf(size, name) };
  });
  return Promise.all(puts);
}

async function assertReads(head: TidyHead, kept: readonly Kept[]): Promise<void> {
  for (const { blob, bytes } of kept) {
    assert.equal(Buffer.compare(await head.get(blob), bytes), 0);
  }
}

test('small objects become shards of one chunk, and read the same, whole and in part', async () => {
  await using tidy = await TidyCluster.open();
  const head = tidy.head();
  const kept = await putMany(tidy, head, 60, 100 * kibibyte, 'small');
  const [empty] = await putMany(tidy, head, 1, 0, 'empty');
  const large = await putMany(tidy, head, 1, 200 * kibibyte, 'large');
  assert.ok(empty);
  assert.deepEqual([tidy.count('chunks'), tidy.count('slices')], [62, 0]);
  assert.equal(await head.collection.packer.pack(), 40, 'the rest waits for others');
  const all = [...kept, empty, ...large];
  await assertReads(head, all);
  const done = await head.collection.runNow();
  assert.deepEqual([done.packed, done.collected], [21, 61]);
  assert.deepEqual([done.orphans, done.strays], [0, 0]);
  // The large one, and two packs.
  assert.deepEqual([tidy.count('chunks'), tidy.count('slices'), tidy.count('dead')], [3, 61, 0]);
  assert.deepEqual(await tidy.keys(), tidy.expectedKeys());
  await assertReads(head, all);
  const [first] = kept;
  assert.ok(first);
  const part = await head.get(first.blob, { from: 5_000, to: 70_000 });
  assert.equal(Buffer.compare(part, first.bytes.subarray(5_000, 70_000)), 0);
  await tidy.cluster.server(1).stop();
  await tidy.cluster.server(4).stop();
  await assertReads(head, all);
});

test('a packed object is read although the shard that it is in is wrong', async () => {
  await using tidy = await TidyCluster.open();
  const head = tidy.head();
  const kept = await putMany(tidy, head, 12, 100 * kibibyte, 'wrong');
  await head.collection.runNow();
  for (const no of [2, 5]) {
    for (const key of await tidy.keys()) {
      const [backend = '', hex = ''] = key.split(' ');
      if (Number(backend) !== no) continue;
      await tidy.cluster.server(no).replace(Buffer.from(hex, 'hex'), (value) => {
        for (let at = 64; at < value.length; at += 1_000)
          value.writeUInt8(value.readUInt8(at) ^ 1, at);
        return value;
      });
    }
  }
  await assertReads(head, kept);
});

test('what is removed leaves its pack, and a pack of holes is packed again', async () => {
  await using tidy = await TidyCluster.open();
  const head = tidy.head();
  const kept: Kept[] = [];
  for (const round of ['a', 'b', 'c']) {
    kept.push(...(await putMany(tidy, head, 40, 100 * kibibyte, round)));
    await head.collection.runNow();
  }
  assert.equal(tidy.count('packs'), 3);
  const left = kept.filter((_, at) => at % 3 === 0);
  for (const each of kept) if (!left.includes(each)) await tidy.remove(head, each.blob);
  await head.collection.runNow();
  assert.equal(tidy.count('slices'), left.length);
  await head.collection.runNow();
  assert.equal(tidy.count('packs'), 1);
  assert.deepEqual(await tidy.keys(), tidy.expectedKeys());
  await assertReads(head, left);
  for (const { blob } of left) await tidy.remove(head, blob);
  await head.collection.runNow();
  assert.deepEqual(await tidy.keys(), []);
  assert.deepEqual(
    (['chunks', 'dead', 'slices', 'packs', 'blobs'] as const).map((table) => tidy.count(table)),
    [0, 0, 0, 0, 0],
  );
});

test('with fewer nodes than shards nothing is packed', async () => {
  await using tidy = await TidyCluster.open();
  const head = tidy.head();
  const kept = await putMany(tidy, head, 3, 100 * kibibyte, 'few');
  await tidy.cluster.server(3).stop();
  const [backend] = tidy.cluster.pool.all.filter(({ no }) => no === 3);
  await assert.rejects(async () => backend?.get(Buffer.from('S'), 1));
  const { packed } = await head.collection.runNow();
  assert.deepEqual([packed, tidy.count('slices')], [0, 0]);
  await tidy.cluster.server(3).start();
  await backend?.get(Buffer.from('S'), 1);
  assert.equal((await head.collection.runNow()).packed, 3);
  await assertReads(head, kept);
});

test('objects that cannot be packed, for want of nodes, keep others from nothing', async () => {
  await using tidy = await TidyCluster.open();
  const head = tidy.head();
  // With m = 3 it would take seven nodes.
  const policy = { ...fourPlusTwo, parityShards: 3 };
  const apart = await tidy.put(head, 100 * kibibyte, 'apart', policy);
  const kept: Kept[] = [];
  for (const round of ['a', 'b', 'c']) {
    kept.push(...(await putMany(tidy, head, 40, 100 * kibibyte, round)));
    assert.equal((await head.collection.runNow()).packed, 40);
  }
  // A pack of it that cannot be packed again either.
  tidy.db
    .prepare('UPDATE chunks SET parity_shards = 3 WHERE id = (SELECT pack FROM packs LIMIT 1)')
    .run();
  const left = kept.filter((_, at) => at % 3 === 0);
  for (const each of kept) if (!left.includes(each)) await tidy.remove(head, each.blob);
  for (let times = 0; times < 2; times++) await head.collection.runNow();
  assert.equal(tidy.count('packs'), 2);
  await assertReads(head, [
    ...left,
    { blob: apart, bytes: randomBytesOf(100 * kibibyte, 'apart') },
  ]);
});

test('readers go on while objects are packed, packed again and removed', async () => {
  await using tidy = await TidyCluster.open();
  const head = tidy.head();
  const stop = new AbortController();
  const kept = await putMany(tidy, head, 80, 100 * kibibyte, 'kept');
  const going = await putMany(tidy, head, 80, 60 * kibibyte, 'going');
  let reads = 0;
  const read = async (from: number): Promise<void> => {
    for (let at = from; !stop.signal.aborted; at = (at + 7) % kept.length) {
      const some = kept[at];
      if (some !== undefined) await assertReads(head, [some]);
      reads++;
    }
  };
  const readers = [0, 20, 50].map(read);
  const tidyUp = async (): Promise<void> => {
    await head.collection.runNow();
    for (const each of going) {
      await tidy.remove(head, each.blob);
      if (going.indexOf(each) % 20 === 0) await head.collection.runNow();
    }
    for (let times = 0; times < 4; times++) await head.collection.runNow();
  };
  await tidyUp().finally(() => stop.abort());
  await Promise.all(readers);
  assert.ok(reads > 20, `${reads} reads`);
  assert.deepEqual(await tidy.keys(), tidy.expectedKeys());
  await assertReads(head, kept);
});

test('a reader of a blob that is removed reads to its end, packed or not', async () => {
  await using tidy = await TidyCluster.open();
  const head = tidy.head();
  const large = await tidy.put(head, 20 * mebibyte, 'large');
  const small = await putMany(tidy, head, 2, 100 * kibibyte, 'small');
  const [copied, packed] = small;
  assert.ok(copied && packed);
  const reader = head.reader.read(large);
  const parts = [Buffer.from((await reader.next()).value ?? [])];
  using _pin = head.pins.pin(
    [copied, packed].flatMap(({ blob }) => blob.chunks.map(({ id }) => id)),
  );
  await tidy.remove(head, copied.blob);
  await head.collection.runNow();
  await tidy.remove(head, large);
  await tidy.remove(head, packed.blob);
  await head.collection.runNow();
  await assertReads(head, small);
  for await (const bytes of reader) parts.push(Buffer.from(bytes));
  assert.equal(Buffer.compare(Buffer.concat(parts), randomBytesOf(20 * mebibyte, 'large')), 0);
});
