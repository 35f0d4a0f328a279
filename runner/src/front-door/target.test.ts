import assert from 'node:assert/strict';
import { test } from 'node:test';

import { inOrder } from './target.ts';
import type { Target } from './target.ts';

function target(address: string, change: Partial<Target> = {}): Target {
  return { address, contract: 'page', isReady: true, isFormer: false, ...change };
}

function order(targets: readonly Target[], preferred?: string): readonly string[] {
  return inOrder(targets, preferred).map(({ address }) => address);
}

test('ready replicas come first, of these the one that worked last, and what moves away last', () => {
  const all = [
    target('old', { isReady: false, isFormer: true }),
    target('starting', { isReady: false }),
    target('a'),
    target('b'),
  ];
  assert.deepEqual(order(all), ['a', 'b', 'starting', 'old']);
  assert.deepEqual(order(all, 'b'), ['b', 'a', 'starting', 'old']);
  assert.deepEqual(order(all, 'starting'), ['a', 'b', 'starting', 'old']);
});

test('a version that is never well gets nothing while another one has what is ready', () => {
  const next = target('next', { contract: 'page 2', isReady: false });
  assert.deepEqual(order([next, target('now')]), ['now']);
  assert.deepEqual(order([next, target('now', { isReady: false })]), ['next', 'now']);
  assert.deepEqual(order([{ ...next, isReady: true }, target('now')]), ['next', 'now']);
});
