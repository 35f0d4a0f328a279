import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Crowd } from './crowd.ts';

test('crowd names the oldest idle one of the address that has most', () => {
  const crowd = new Crowd<{ address: string; isBusy: boolean }>();
  assert.equal(crowd.first(), undefined);
  const alone = { address: 'b', isBusy: false };
  const first = { address: 'a', isBusy: true };
  const second = { address: 'a', isBusy: false };
  const third = { address: 'a', isBusy: false };
  for (const one of [alone, first, second, third]) crowd.add(one);
  assert.equal(crowd.first(), second);
  crowd.delete(second);
  crowd.delete(second);
  assert.equal(crowd.size, 3);
  assert.equal(crowd.first(), third);
  third.isBusy = true;
  assert.equal(crowd.first(), first);
  crowd.delete(first);
  assert.equal(crowd.first(), alone);
  crowd.delete(alone);
  crowd.delete(third);
  assert.equal(crowd.size, 0);
  assert.equal(crowd.first(), undefined);
});
