import assert from 'node:assert/strict';
import { test } from 'node:test';

import { victimsOf } from './victims.ts';

test('all choices are tried until one leaves log and keys a majority', () => {
  // Whoever takes the first one that is borne, and the next, comes to an end at c.
  const members = [new Set(['a', 'b', 'd']), new Set(['a', 'c', 'd'])];
  const rules = { count: 3, members, borne: 1 };
  assert.deepEqual(victimsOf(['a', 'b', 'c', 'd', 'e'], rules), ['b', 'c', 'e']);
});

test('a member of the log is the first, so that it is back first', () => {
  const members = [new Set(['b']), new Set<string>()];
  const rules = { count: 3, members, borne: 2 };
  assert.deepEqual(victimsOf(['a', 'b', 'c', 'd'], rules), ['b', 'a', 'c']);
});

test('where no choice is borne the first ones are taken, and too few are none', () => {
  const all = new Set(['a', 'b', 'c']);
  const rules = { count: 3, members: [all, all], borne: 2 };
  assert.deepEqual(victimsOf(['c', 'a', 'b'], rules), ['c', 'a', 'b']);
  assert.equal(victimsOf(['a', 'b'], rules), undefined);
});
