import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ModelBackend } from '../testing/model-backends.ts';
import { Balance } from './balance.ts';

test('what is full gives to what is empty, until all are as full', () => {
  // Each has 1e9 bytes of room.
  const backends = [1, 2, 3, 4].map((no) => new ModelBackend(no, () => 0));
  const used = new Map([
    [1, 4e8],
    [2, 4e8],
    [3, 3.9e8],
  ]);
  const balance = new Balance(backends, (no) => used.get(no) ?? 0);
  assert.deepEqual([balance.isUneven, balance.isEven], [true, false]);
  assert.deepEqual(
    [1, 2, 3, 4].map((no) => balance.isFull(no)),
    [true, true, true, false],
  );
  assert.deepEqual(balance.closed, [1, 2, 3]);
  const full = (): number | undefined => [1, 2, 3].find((no) => balance.isFull(no));
  for (let from = full(); from !== undefined; from = full()) balance.moved(from, 4, 1e7);
  assert.equal(balance.isUneven, false);
});

test('spares and backends that take nothing are left out', () => {
  const backends = [1, 2].map((no) => new ModelBackend(no, () => 0));
  const [, second] = backends;
  if (second !== undefined) second.answers = false;
  const balance = new Balance(backends, (no) => (no === 1 ? 5e8 : 0));
  assert.deepEqual([balance.isUneven, balance.isFull(2)], [false, false]);
});
