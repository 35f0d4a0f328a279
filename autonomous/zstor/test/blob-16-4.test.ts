import assert from 'node:assert/strict';
import { test } from 'node:test';
import { shardKey } from '../src/backends/backend.ts';
import {
  Cluster,
  mebibyte,
  randomBytesOf,
  randomPieces,
  sixteenPlusFour,
} from './support/cluster.ts';

const size = 8 * mebibyte + 777;
const policy = sixteenPlusFour;

test('16+4 on 24 backends withstands four at a time, of each kind', async () => {
  await using cluster = await Cluster.open({ servers: 24, spares: 4 });
  const blobs = new Map<string, Awaited<ReturnType<Cluster['put']>>>();
  const put = async (seed: string): Promise<void> => {
    blobs.set(seed, await cluster.put(randomPieces(size, seed), { policy }));
  };
  const assertAll = async (): Promise<void> => {
    for (const [seed, blob] of blobs) {
      const bytes = await cluster.get(blob);
      assert.equal(Buffer.compare(bytes, randomBytesOf(size, seed)), 0, seed);
    }
  };
  await put('whole');
  await cluster.writer.idle();
  await assertAll();

  // Slow ones, while others read and write.
  for (const no of [1, 6, 11, 16]) cluster.server(no).proxy.delayMs = 800;
  await Promise.all([assertAll(), put('while some are slow')]);
  for (const no of [1, 6, 11, 16]) cluster.server(no).proxy.delayMs = 0;
  await cluster.writer.idle();

  // Four that give wrong bytes for each chunk.
  for (const { id, locations } of cluster.locations.all) {
    for (const index of [0, 5, 10, 19]) {
      await cluster.server(locations[index] ?? 0).replace(shardKey(id, index), (value) => {
        return Buffer.from(value).fill(7, 64, 74);
      });
    }
  }
  await assertAll();
  assert.ok(cluster.faults.some(({ kind }) => kind === 'wrong'));
  blobs.clear();

  // Four that are gone: spares take their place, and no chunk is degraded.
  await put('before the loss');
  await cluster.writer.idle();
  const lost = [2, 7, 12, 20];
  await Promise.all(lost.map((no) => cluster.server(no).stop()));
  await Promise.all([assertAll(), put('after the loss')]);
  await cluster.writer.idle();
  for (const { id } of blobs.get('after the loss')?.chunks ?? []) {
    const locations = cluster.locations.find(id)?.locations ?? [];
    assert.equal(new Set(locations).size, 20);
    assert.ok(!locations.some((no) => no === 0 || lost.includes(no)));
  }
  await assertAll();
});

test('16+4 takes 25.5 % more than the data at most, on the disks of the backends', async () => {
  await using cluster = await Cluster.open({ servers: 20 });
  const sizeBytes = 16 * mebibyte;
  await cluster.put(randomPieces(sizeBytes, 'overhead'), { policy });
  await cluster.writer.idle();
  const used = await Promise.all(cluster.servers.map((server) => server.usedBytes()));
  const usedBytes = used.reduce((sum, bytes) => sum + bytes, 0);
  // Beside them the record of a chunk: 700 bytes, on each of nine members of the log.
  const recordBytes = cluster.locations.all.length * 9 * 700;
  const overhead = (usedBytes + recordBytes) / sizeBytes - 1;
  assert.ok(overhead > 0.25 && overhead <= 0.255, String(overhead));
});

test('50 readers that hardly read take no more memory than there is for streams', async () => {
  const budgetBytes = 128 * mebibyte;
  await using cluster = await Cluster.open({ servers: 6, budgetBytes, budgetWaitMs: 500 });
  const blob = await cluster.put(randomPieces(40 * mebibyte, 'large'));
  await cluster.writer.idle();
  const beforeBytes = process.memoryUsage().rss;
  const readers = Array.from({ length: 50 }, () => cluster.reader.read(blob));
  // Each takes its first chunk, those that find room, and stops.
  const firsts = await Promise.allSettled(readers.map((reader) => reader.next()));
  const grewBytes = process.memoryUsage().rss - beforeBytes;
  const refused = firsts.filter(({ status }) => status === 'rejected');
  assert.ok(refused.length < 50 && refused.length > 0);
  for (const result of refused) {
    assert.equal(result.status === 'rejected' && result.reason.code, 'ZSTOR_SLOW_DOWN');
  }
  // Beside the budget: idle buffers, what the servers hold, and what the collector has not found.
  assert.ok(grewBytes < 2 * budgetBytes + 256 * mebibyte, `${grewBytes / mebibyte} MiB`);
  await Promise.all(readers.map((reader) => reader.return()));
  const after = await cluster.get(blob, { to: 100 });
  assert.equal(after.length, 100);
});
