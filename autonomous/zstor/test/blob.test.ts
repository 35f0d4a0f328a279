import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isGridError, waitFor } from '@commongrid/base';
import { copyKey, shardKey } from '../src/backends/backend.ts';
import { makeShard, parseShard } from '../src/chunk/shard.ts';
import type { StoredBlob } from '../src/blob/written-blob.ts';
import { Cluster, fourPlusTwo, mebibyte, randomBytesOf, randomPieces } from './support/cluster.ts';

const size = 9 * mebibyte + 12_345;

async function assertReads(cluster: Cluster, blob: StoredBlob, seed: string): Promise<void> {
  const bytes = await cluster.get(blob);
  assert.equal(Buffer.compare(bytes, randomBytesOf(size, seed)), 0);
}

test('a blob comes back, whole and in ranges', async () => {
  await using cluster = await Cluster.open({ servers: 6 });
  const blob = await cluster.put(randomPieces(size, 'whole'));
  await assertReads(cluster, blob, 'whole');
  const all = randomBytesOf(size, 'whole');
  for (const [from, to] of [
    [0, 1],
    [4 * mebibyte - 1, 4 * mebibyte + 1],
    [5, 8 * mebibyte + 5],
    [size - 1, size],
    [size, size + 10],
  ] as const) {
    const range = await cluster.get(blob, { from, to });
    assert.equal(range.equals(all.subarray(from, to)), true, `${from} to ${to}`);
  }
  for (const { locations } of cluster.locations.all) {
    assert.deepEqual(
      locations.toSorted((a, b) => a - b),
      [1, 2, 3, 4, 5, 6],
    );
  }
  assert.deepEqual(cluster.faults, []);
});

test('small objects are copies on m + 1 nodes, empty ones too', async () => {
  await using cluster = await Cluster.open({ servers: 6 });
  for (const bytes of [0, 1, 4097, 128 * 1024 - 1]) {
    const sizeBytes = bytes % 2 === 0 ? bytes : undefined;
    const blob = await cluster.put([randomBytesOf(bytes, bytes)], { sizeBytes });
    const record = cluster.locations.find(blob.chunks[0]?.id ?? Buffer.alloc(16));
    assert.deepEqual([record?.kind, new Set(record?.locations).size], ['copied', 3]);
    assert.equal((await cluster.get(blob)).equals(randomBytesOf(bytes, bytes)), true);
    const [first = 0, second = 0] = record?.locations ?? [];
    await cluster.server(first).stop();
    await cluster.server(second).replace(copyKey(record?.id ?? Buffer.alloc(0)), (value) => {
      return Buffer.concat([value.subarray(0, -1), Buffer.from([(value.at(-1) ?? 0) ^ 1])]);
    });
    assert.equal((await cluster.get(blob)).equals(randomBytesOf(bytes, bytes)), true);
    await cluster.server(first).start();
    await waitFor(() => cluster.pool.byNo(first)?.isWritable, {
      timeoutMs: 60_000,
      what: 'the backend to be back',
    });
  }
});

test('any m backends killed, and others later: no read fails, writes go on degraded', async () => {
  await using cluster = await Cluster.open({ servers: 6 });
  const blob = await cluster.put(randomPieces(size, 'first'));
  await Promise.all([1, 4].map((no) => cluster.server(no).stop()));
  await assertReads(cluster, blob, 'first');
  const second = await cluster.put(randomPieces(size, 'second'));
  await cluster.writer.idle();
  for (const { id } of second.chunks) {
    const locations = cluster.locations.find(id)?.locations ?? [];
    assert.equal(new Set(locations).size, 4, `on ${locations.join()}`);
    assert.equal(locations.includes(0), false);
  }
  await assertReads(cluster, second, 'second');
  await Promise.all([1, 4].map((no) => cluster.server(no).start()));
  await Promise.all([2, 3].map((no) => cluster.server(no).stop()));
  await assertReads(cluster, blob, 'first');
});

test('fewer than k backends take no write, and say so', async () => {
  await using cluster = await Cluster.open({ servers: 6 });
  const blob = await cluster.put(randomPieces(size, 'before'));
  await Promise.all([1, 2, 3].map((no) => cluster.server(no).stop()));
  const tooFew = { code: 'ZSTOR_BACKENDS_TOO_FEW', retryable: true };
  await assert.rejects(cluster.put(randomPieces(size, 'refused')), tooFew);
  const tooFewShards = { code: 'ZSTOR_SHARDS_TOO_FEW', retryable: true };
  await assert.rejects(cluster.get(blob), tooFewShards);
  await cluster.server(2).start();
  await waitFor(
    async () => {
      try {
        return await cluster.get(blob);
      } catch (error) {
        if (isGridError(error)) return undefined;
        throw error;
      }
    },
    { timeoutMs: 60_000, what: 'the blob to be read with one backend back', everyMs: 100 },
  );
});

test('wiped backends and wrong shards of each kind are read around, and reported', async () => {
  await using cluster = await Cluster.open({ servers: 6 });
  const blob = await cluster.put(randomPieces(size, 'kinds'));
  await cluster.writer.idle();
  const [first, second, third] = cluster.locations.all;
  assert.ok(first !== undefined && second !== undefined && third !== undefined);
  const flip = (at: number) => (value: Buffer) => {
    const copy = Buffer.from(value);
    copy.writeUInt8(copy.readUInt8(at) ^ 1, at);
    return copy;
  };
  const replace = (
    { id, locations }: typeof first,
    index: number,
    change: (value: Buffer) => Buffer,
  ): Promise<void> => cluster.server(locations[index] ?? 0).replace(shardKey(id, index), change);
  const shardOf = async ({ id, locations }: typeof first, index: number): Promise<Buffer> => {
    const backend = cluster.pool.byNo(locations[index] ?? 0);
    return (await backend?.get(shardKey(id, index), 0)) ?? Buffer.alloc(0);
  };
  // Its payload, its magic, its index in the header; another index, cut short.
  await replace(first, 0, flip(5000));
  await replace(first, 1, flip(0));
  await replace(second, 2, flip(7));
  const other = await shardOf(third, 4);
  await replace(third, 0, () => other);
  await replace(third, 1, (value) => value.subarray(0, -1));
  // Made up by who knows the format: only the digest in the metadata tells.
  await replace(second, 0, (value) => {
    const copy = flip(100)(value);
    makeShard(parseShard(value), 0, copy);
    return copy;
  });
  const named = (): readonly string[] => {
    const all = cluster.faults.map(({ chunkId, index, kind }) => {
      const chunk = cluster.locations.all.findIndex(({ id }) => Buffer.compare(id, chunkId) === 0);
      return `${chunk}/${index} ${kind}`;
    });
    return [...new Set(all)].toSorted();
  };
  // Whoever is slow for a moment is not waited for, and what he has is not looked at.
  await waitFor(
    async () => {
      await assertReads(cluster, blob, 'kinds');
      return named().length >= 6;
    },
    { timeoutMs: 60_000, what: 'each wrong shard to be read' },
  );
  assert.deepEqual(named(), [
    '0/0 wrong',
    '0/1 wrong',
    '1/0 wrong',
    '1/2 wrong',
    '2/0 wrong',
    '2/1 wrong',
  ]);
  // A whole shard of another chunk, at the same index.
  const fourth = await cluster.put(randomPieces(size, 'foreign'));
  await cluster.writer.idle();
  const [one, two] = fourth.chunks.flatMap(({ id }) => cluster.locations.find(id) ?? []);
  assert.ok(one !== undefined && two !== undefined);
  const foreign = await shardOf(two, 3);
  await replace(one, 3, () => foreign);
  await assertReads(cluster, fourth, 'foreign');
  assert.equal(cluster.faults.at(-1)?.index, 3);
  const later = await cluster.put(randomPieces(size, 'later'));
  await cluster.writer.idle();
  await Promise.all([5, 6].map((no) => cluster.server(no).wipe()));
  await assertReads(cluster, later, 'later');
});

test('slow backends hold nothing up: others are asked after a while', async () => {
  await using cluster = await Cluster.open({ servers: 6, commandTimeoutMs: 600_000 });
  const blob = await cluster.put(randomPieces(size, 'slow'));
  await cluster.writer.idle();
  await assertReads(cluster, blob, 'slow');
  for (const no of [2, 5]) cluster.server(no).proxy.delayMs = 600_000;
  // Longer than a test may last.
  await assertReads(cluster, blob, 'slow');
});

test('a backend that hangs in mid-write is replaced by a spare', async () => {
  await using cluster = await Cluster.open({ servers: 8, spares: 2, commandTimeoutMs: 3_000 });
  for (const no of [3, 4]) cluster.server(no).proxy.delayMs = 60_000;
  const blob = await cluster.put(randomPieces(size, 'hangs'));
  await cluster.writer.idle();
  for (const { locations } of cluster.locations.all) {
    assert.deepEqual(
      locations.toSorted((a, b) => a - b),
      [1, 2, 5, 6, 7, 8],
    );
  }
  await assertReads(cluster, blob, 'hangs');
});

test('a client that goes away leaves shards that nothing refers to, and frees its memory', async () => {
  await using cluster = await Cluster.open({ servers: 6, budgetBytes: 64 * mebibyte });
  const stop = new AbortController();
  async function* endless(): AsyncGenerator<Buffer> {
    for (let sent = 0; ; sent += mebibyte) {
      if (sent > 20 * mebibyte) stop.abort();
      yield randomBytesOf(mebibyte, sent);
    }
  }
  await assert.rejects(cluster.put(endless(), { signal: stop.signal }), { code: 'BASE_ABORTED' });
  async function* broken(): AsyncGenerator<Buffer> {
    yield randomBytesOf(5 * mebibyte, 'part');
    throw new Error('the client is gone');
  }
  await assert.rejects(cluster.put(broken()), /the client is gone/);
  await cluster.writer.idle();
  assert.deepEqual(cluster.locations.all, []);
  assert.ok((await cluster.server(1).keyCount()) > 0, 'orphans are there');
  const request = cluster.ids.begin();
  assert.equal(cluster.ids.oldestInFlight, request.firstCounter);
  assert.equal(cluster.budget.freeBytes, cluster.budget.totalBytes);
});

test('a stream of another length than declared is refused', async () => {
  await using cluster = await Cluster.open({ servers: 6 });
  for (const sizeBytes of [99_999, 100_001]) {
    const wrong = cluster.put([randomBytesOf(100_000, 1)], { sizeBytes });
    await assert.rejects(wrong, { code: 'ZSTOR_LENGTH_WRONG' });
  }
  assert.deepEqual(cluster.locations.all, []);
});

test('streams beyond the memory for them are told to slow down', async () => {
  await using cluster = await Cluster.open({
    servers: 6,
    budgetBytes: mebibyte,
    budgetWaitMs: 50,
  });
  const stop = new AbortController();
  async function* silent(): AsyncGenerator<Buffer> {
    yield Buffer.alloc(1);
    await new Promise((resolve) => stop.signal.addEventListener('abort', resolve));
  }
  const first = cluster.put(silent(), { signal: stop.signal });
  const second = cluster.put([Buffer.alloc(10)], { policy: fourPlusTwo });
  await assert.rejects(second, { code: 'ZSTOR_SLOW_DOWN', retryable: true });
  stop.abort();
  await assert.rejects(first, { code: 'BASE_ABORTED' });
});
