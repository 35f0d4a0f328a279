import assert from 'node:assert/strict';
import { test } from 'node:test';

import { atMostRow, ratioRow } from './bench-row.ts';
import { interleave } from './interleave.ts';
import { median, percentile } from './statistics.ts';

test('median takes the middle, or the mean of two', () => {
  assert.equal(median([5, 1, 3]), 3);
  assert.equal(median([4, 1, 3, 2]), 2.5);
  assert.equal(median([7]), 7);
  assert.throws(() => median([]), RangeError);
});

test('percentile takes the nearest rank', () => {
  const values = Array.from({ length: 100 }, (_, index) => index + 1);
  assert.equal(percentile(values, 0.99), 99);
  assert.equal(percentile([3, 1, 2], 0), 1);
  assert.equal(percentile([3, 1, 2], 1), 3);
});

test('a ratio row is met when the medians reach what they must', () => {
  const facts = { name: 'SET', unit: 'op/s', ours: [80, 70, 90], rival: [100, 100, 100] };
  assert.deepEqual(ratioRow({ ...facts, must: 0.8 }).met, true);
  assert.deepEqual(ratioRow({ ...facts, must: 0.81 }).met, false);
  assert.deepEqual(ratioRow(facts).met, true);
});

test('a ratio row compares within rounds, not across them', () => {
  const row = ratioRow({ name: 'SET', unit: 'op/s', ours: [50, 100, 20], rival: [100, 200, 10] });
  assert.equal(row.ratio, 0.5);
});

test('an at-most row is not met above its bound', () => {
  assert.equal(atMostRow({ name: 'restart', unit: 's', ours: 3.1, must: 3 }).met, false);
});

test('interleave takes turns and keeps the results of each side apart', async () => {
  const order: string[] = [];
  const side = (name: string) => async () => order.push(name);
  const result = await interleave(3, { ours: side('a'), rival: side('b') });
  assert.deepEqual(order, ['a', 'b', 'b', 'a', 'a', 'b']);
  assert.deepEqual(result, { ours: [1, 4, 5], rival: [2, 3, 6] });
});
