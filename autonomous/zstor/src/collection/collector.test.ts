import assert from 'node:assert/strict';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { ManualClock } from '@commongrid/base/testing';
import { ChunkIds } from '../blob/chunk-ids.ts';
import { ChunkPins } from '../blob/chunk-pins.ts';
import { ByteBudget } from '../care/byte-budget.ts';
import { blobTables } from '../stor/blob-tables.ts';
import { Collector } from './collector.ts';

test('what another head collected does not keep later chunks from being collected', async () => {
  const db = new DatabaseSync(':memory:');
  db.exec(blobTables);
  const tables = {
    isServing: true,
    requireLease: (): void => {},
    read: <T>(query: (db: DatabaseSync) => T): T => query(db),
    write: async <T>(change: (db: DatabaseSync) => T): Promise<T> => change(db),
  };
  const clock = new ManualClock();
  const collector = new Collector({
    ...{ tables, clock, pins: new ChunkPins(), ids: new ChunkIds(() => 9) },
    backends: { all: [], byNo: () => undefined },
    keyBudget: new ByteBudget(1e9, clock),
  });
  const die = (count: number, from: number): void => {
    const insert = db.prepare('INSERT INTO dead VALUES (?, 0)');
    db.exec('BEGIN');
    for (let at = from; at < from + count; at++) {
      const id = Buffer.alloc(16);
      id.writeUInt32BE(at, 4);
      insert.run(id);
    }
    db.exec('COMMIT');
  };
  // As many as are counted at a time.
  die(100_000, 0);
  assert.equal(await collector.collect(), 0);
  db.exec('DELETE FROM dead');
  die(1, 200_000);
  for (let times = 0; times < 3; times++) {
    await collector.collect();
    await clock.advance(10_000);
  }
  assert.equal(Number(db.prepare('SELECT count(*) AS n FROM dead').get()?.['n']), 0);
  db.close();
});
