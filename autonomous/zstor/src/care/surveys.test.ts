import assert from 'node:assert/strict';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { ManualClock } from '@commongrid/base/testing';
import { chunkTableSchema } from '../blob/chunk-table.ts';
import type { ChunkNeed } from './chunk-need.ts';
import { Surveys } from './surveys.ts';

const whole: ChunkNeed = { missing: [], misplaced: [], spareShards: 2 };
const never = new AbortController().signal;

test('what nobody could mend is looked at again soon, and what is whole is left alone', async () => {
  using db = new DatabaseSync(':memory:');
  db.exec(chunkTableSchema);
  const insert = db.prepare('INSERT INTO chunks VALUES (?, 0, 4, 2, 1000, 0, ?, ?)');
  insert.run(Buffer.alloc(16, 7), Buffer.alloc(12), Buffer.alloc(192));
  const clock = new ManualClock();
  let need: ChunkNeed = { ...whole, misplaced: [1] };
  const surveys = new Surveys({
    ...{ tables: { read: (query) => query(db) }, isReady: () => true, clock },
    takeUp: () => need,
  });
  const countAfter = async (ms: number, isCalm = true): Promise<number> => {
    await clock.advance(ms);
    await surveys.runWhenDue({ hasNews: false, isCalm }, never);
    return surveys.count;
  };
  assert.equal(await countAfter(0), 1);
  assert.equal(surveys.latest.needy, 1);
  assert.equal(await countAfter(9_999), 1);
  assert.equal(await countAfter(1), 2);
  assert.equal(await countAfter(60_000, false), 2, 'it is being mended');
  need = whole;
  assert.equal(await countAfter(0), 3);
  assert.equal(surveys.latest.needy, 0);
  assert.equal(await countAfter(599_999), 3);
  assert.equal(await countAfter(1), 4);
});
