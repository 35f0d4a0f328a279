import assert from 'node:assert/strict';
import { test } from 'node:test';

import type { ObjectId } from '../format/object-id.ts';
import { ReadingOn } from './reading-on.ts';

const id = 'a'.repeat(64) as ObjectId;
const other = 'b'.repeat(64) as ObjectId;

test('who reads 4 MiB in a row gets the next chunks fetched, more each time', () => {
  const reading = new ReadingOn();
  const note = (first: number): unknown => reading.note(id, { first, count: 2 });
  assert.deepEqual([note(0), note(2), note(4)], [undefined, undefined, undefined]);
  assert.deepEqual(note(6), { first: 8, count: 8 });
  // Nothing more before that is there.
  assert.deepEqual([note(8), note(10)], [undefined, undefined]);
  reading.goOn(id);
  assert.deepEqual(note(12), { first: 16, count: 14 });
  assert.deepEqual(note(14), { first: 30, count: 18 });
  assert.equal(note(16), undefined);
  // What was fetched ahead was read without a word.
  assert.deepEqual(note(48), { first: 50, count: 32 });
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
  reading.goOn(id);
  assert.equal(reading.note(id, { first: 8, count: 8 }), undefined);
  assert.equal(reading.note(id, { first: 16, count: 8 }), undefined);
});
