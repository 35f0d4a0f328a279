import assert from 'node:assert/strict';
import { test } from 'node:test';

import type { ObjectId } from '../format/object-id.ts';
import { ReadingOn } from './reading-on.ts';

const id = 'a'.repeat(64) as ObjectId;
const other = 'b'.repeat(64) as ObjectId;

test('who reads 4 MiB in a row gets the next chunks fetched, more each time', () => {
  const reading = new ReadingOn();
  const asked = Array.from({ length: 6 }, (_, at) => reading.note(id, { first: 2 * at, count: 2 }));
  assert.deepEqual(asked.slice(0, 3), [undefined, undefined, undefined]);
  assert.deepEqual(asked.slice(3), [
    { first: 8, count: 8 },
    { first: 16, count: 10 },
    { first: 26, count: 18 },
  ]);
  assert.equal(reading.note(id, { first: 12, count: 2 }), undefined);
  // What was fetched ahead was read without a word.
  assert.deepEqual(reading.note(id, { first: 44, count: 2 }), { first: 46, count: 32 });
});

test('who jumps, or reads little, gets what was asked for', () => {
  const reading = new ReadingOn();
  for (const first of [0, 40, 3, 90, 12, 60, 30]) {
    assert.equal(reading.note(id, { first, count: 2 }), undefined);
  }
  for (let round = 0; round < 20; round++) {
    assert.equal(reading.note(other, { first: 5, count: 2 }), undefined);
  }
});

test('who reads chunks again goes on where it was', () => {
  const reading = new ReadingOn();
  for (const first of [0, 1, 2, 2, 4, 3]) reading.note(id, { first, count: 2 });
  assert.deepEqual(reading.note(id, { first: 6, count: 2 }), { first: 8, count: 8 });
});

test('after a failure nothing is fetched ahead of that reader', () => {
  const reading = new ReadingOn();
  reading.note(id, { first: 0, count: 6 });
  assert.ok(reading.note(id, { first: 6, count: 2 }) !== undefined);
  reading.stop(id);
  assert.equal(reading.note(id, { first: 8, count: 8 }), undefined);
  assert.equal(reading.note(id, { first: 16, count: 8 }), undefined);
});
