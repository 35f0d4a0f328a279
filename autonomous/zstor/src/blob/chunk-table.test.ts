import assert from 'node:assert/strict';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { seededRandom } from '@commongrid/base';
import type { ChunkRecord } from './chunk-record.ts';
import { ChunkTable, chunkTableSchema, copyPart, findChunk, insertChunks } from './chunk-table.ts';

const random = seededRandom('chunks');

function recordOf(locations: readonly number[], kind: ChunkRecord['kind']): ChunkRecord {
  const digestCount = kind === 'copied' ? 1 : locations.length;
  return {
    id: random.bytes(16),
    kind,
    dataShards: kind === 'copied' ? 1 : locations.length - 2,
    parityShards: 2,
    bodyBytes: 4 * 2 ** 20 + 16,
    locations,
    digests: Array.from({ length: digestCount }, () => Buffer.from(random.bytes(32))),
  };
}

test('chunks are found as they were made known', () => {
  const db = new DatabaseSync(':memory:');
  db.exec(chunkTableSchema);
  const records = [recordOf([1, 65_535, 3, 0, 5, 6], 'coded'), recordOf([7, 8, 9], 'copied')];
  insertChunks(db, records);
  for (const record of records) assert.deepEqual(findChunk(db, record.id), record);
  assert.equal(findChunk(db, random.bytes(16)), undefined);
});

test('locations change only from what they were', async () => {
  const db = new DatabaseSync(':memory:');
  db.exec(chunkTableSchema);
  const record = recordOf([1, 2, 3, 4, 0, 0], 'coded');
  insertChunks(db, [record]);
  const table = new ChunkTable({
    read: (query) => query(db),
    write: async (change) => change(db),
  });
  const next = [1, 2, 3, 4, 5, 0];
  assert.equal(await table.compareAndSet(record.id, record.locations, next), true);
  assert.equal(await table.compareAndSet(record.id, record.locations, [9, 9, 9, 9, 9, 9]), false);
  assert.equal(await table.compareAndSet(random.bytes(16), next, next), false);
  assert.deepEqual(table.find(record.id)?.locations, next);
  const missing = db.prepare('SELECT missing FROM chunks').get();
  assert.equal(missing?.['missing'], 1);
});

test('a shard never goes back to where it was given up, and a dead chunk moves no more', async () => {
  const db = new DatabaseSync(':memory:');
  db.exec(chunkTableSchema);
  const coded = recordOf([1, 2, 3, 4, 5, 0], 'coded');
  const copied = recordOf([1, 2, 0], 'copied');
  insertChunks(db, [coded, copied]);
  const giveUp = db.prepare('INSERT INTO given_up VALUES (?, ?, ?)');
  giveUp.run(coded.id, 5, 9);
  giveUp.run(copied.id, copyPart, 9);
  const table = new ChunkTable({ read: (query) => query(db), write: async (change) => change(db) });
  const moved = (record: ChunkRecord, next: readonly number[]): Promise<boolean> =>
    table.compareAndSet(record.id, record.locations, next);
  assert.equal(await moved(coded, [1, 2, 3, 4, 5, 9]), false);
  assert.equal(await moved(copied, [1, 2, 9]), false);
  assert.equal(await moved(coded, [9, 2, 3, 4, 5, 0]), true);
  db.prepare('INSERT INTO dead VALUES (?, 1)').run(copied.id);
  assert.equal(await moved(copied, [1, 2, 3]), false);
});

test('a packed object is read from its pack, and what it was alone is still known', () => {
  const db = new DatabaseSync(':memory:');
  db.exec(chunkTableSchema);
  const copied = recordOf([1, 2, 3], 'copied');
  const pack = { ...recordOf([1, 2, 3, 4, 5, 6], 'coded'), id: Buffer.alloc(16, 1) };
  insertChunks(db, [copied]);
  const table = new ChunkTable({ read: (query) => query(db), write: async (change) => change(db) });
  assert.deepEqual(table.find(copied.id), copied);
  insertChunks(db, [pack]);
  db.prepare('INSERT INTO slices VALUES (?, ?, ?, ?)').run(copied.id, pack.id, 100, 17);
  assert.deepEqual(table.find(copied.id), { ...pack, slice: { offset: 100, bytes: 17 } });
  assert.deepEqual(findChunk(db, copied.id), copied);
  db.prepare('DELETE FROM chunks WHERE id = ?').run(copied.id);
  assert.deepEqual(table.find(copied.id)?.slice, { offset: 100, bytes: 17 });
});
