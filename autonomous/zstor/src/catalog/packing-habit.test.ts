import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PackingHabit } from './packing-habit.ts';

test('packing is tried as long as it helps, and now and then when it does not', () => {
  const habit = new PackingHabit();
  const tries = (saves: boolean): number => {
    let count = 0;
    for (let record = 0; record < 320; record++) {
      if (!habit.next()) continue;
      count++;
      habit.tried(1000, saves ? 890 : 910);
    }
    return count;
  };
  assert.equal(tries(true), 320);
  assert.equal(tries(false), 10);
  assert.ok(tries(true) > 280);
});
