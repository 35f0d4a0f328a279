import assert from 'node:assert/strict';
import { test } from 'node:test';

import { eachOf } from './each-of.ts';

test('so many are worked on at a time, and results are in the order of the items', async () => {
  const gates = Array.from({ length: 5 }, () => Promise.withResolvers<void>());
  let [running, most] = [0, 0];
  const all = eachOf(gates, 2, async ({ promise }, at) => {
    most = Math.max(most, ++running);
    await promise;
    running--;
    return at;
  });
  for (const { resolve } of gates.toReversed()) resolve();
  assert.deepEqual(await all, [0, 1, 2, 3, 4]);
  assert.equal(most, 2);
});

test('after a failure nothing more is begun, and what is under way comes to its end', async () => {
  const gate = Promise.withResolvers<void>();
  const done: number[] = [];
  const all = eachOf([0, 1, 2, 3], 2, async (item) => {
    if (item === 0) {
      gate.resolve();
      throw new Error('the first fails');
    }
    await gate.promise;
    done.push(item);
  });
  await assert.rejects(all, /the first fails/);
  assert.deepEqual(done, [1]);
});
