import assert from 'node:assert/strict';
import { suite, test } from 'node:test';

import { takeAway } from './take-away.ts';

suite('what is taken away', () => {
  test('is no failure when it went by itself meanwhile, and what is left goes all the same', async () => {
    const there = new Set(['a', 'b', 'c']);
    const calls: (readonly string[])[] = [];
    await takeAway(
      async () => [...there],
      async (found) => {
        calls.push(found);
        // The first of them goes before its turn, as a program sees it that ends there.
        if (calls.length === 1 && there.delete('a')) throw new Error('there is no a');
        found.forEach((name) => there.delete(name));
      },
    );
    assert.deepEqual(calls, [
      ['a', 'b', 'c'],
      ['b', 'c'],
    ]);
    assert.equal(there.size, 0);
  });

  test('is a failure while it is still there', async () => {
    let runs = 0;
    const busy = new Error('busy');
    const taken = takeAway(
      async () => ['a'],
      async () => {
        runs++;
        throw busy;
      },
    );
    await assert.rejects(taken, busy);
    assert.equal(runs, 1);
  });

  test('starts nothing when nothing is there', async () => {
    await takeAway(
      async () => [],
      () => assert.fail('there is nothing to take away'),
    );
  });
});
