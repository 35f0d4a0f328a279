import assert from 'node:assert/strict';
import { test } from 'node:test';

import { chooseCpus, hasOwnCpus } from './cpu-choice.ts';

test('whole CPUs are chosen where least was given away', () => {
  assert.deepEqual(chooseCpus(1_000, 4, []), [0]);
  assert.deepEqual(chooseCpus(1_000, 4, [[0], [1]]), [2]);
  assert.deepEqual(chooseCpus(2_000, 4, [[0], [1, 2]]), [0, 3]);
  assert.deepEqual(chooseCpus(2_000, 4, [[2, 3]]), [0, 1]);
});

test('parts of a CPU, and all there are, are tied to none', () => {
  assert.equal(hasOwnCpus(500, 4), false);
  assert.equal(hasOwnCpus(1_500, 4), false);
  assert.equal(hasOwnCpus(4_000, 4), false);
  assert.equal(hasOwnCpus(9_000, 4), false);
  assert.equal(hasOwnCpus(3_000, 4), true);
});

test('containers that may use all CPUs do not count', () => {
  assert.deepEqual(chooseCpus(1_000, 2, [[0, 1], [0]]), [1]);
});
