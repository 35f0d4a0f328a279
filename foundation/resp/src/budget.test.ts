import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Budget } from './budget.ts';

test('budget grants in the order of asking, and nobody passes who asks for little', () => {
  const budget = new Budget(10);
  const granted: string[] = [];
  const ask = (name: string, bytes: number): boolean =>
    budget.reserve({ name }, bytes, () => granted.push(name));
  assert.equal(ask('a', 8), true);
  assert.equal(ask('b', 5), false);
  assert.equal(ask('c', 1), false);
  assert.deepEqual(granted, []);
  budget.release(8);
  assert.deepEqual(granted, ['b', 'c']);
  assert.equal(budget.usedBytes, 6);
});

test('budget lets the next one pass when the first gives up', () => {
  const budget = new Budget(10);
  const granted: string[] = [];
  const first = {};
  budget.reserve({}, 6, () => {});
  budget.reserve(first, 10, () => granted.push('first'));
  budget.reserve({}, 4, () => granted.push('second'));
  budget.cancel(first);
  assert.deepEqual(granted, ['second']);
  assert.equal(budget.waiting, 0);
});
