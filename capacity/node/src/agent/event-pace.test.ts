import assert from 'node:assert/strict';
import { test } from 'node:test';

import { burstMax, EventPace, paceMs } from './event-pace.ts';

test('a workload has its burst, then one event in so long, and others theirs', () => {
  const pace = new EventPace();
  const startMs = 1_000;
  for (let told = 0; told < burstMax; told++) {
    assert.equal(pace.waitMs('loud', startMs), 0);
    pace.spend('loud', startMs);
  }
  assert.equal(pace.waitMs('loud', startMs), paceMs);
  assert.equal(pace.waitMs('calm', startMs), 0);
  assert.equal(pace.waitMs('loud', startMs + paceMs), 0);
  pace.spend('loud', startMs + paceMs);
  assert.equal(pace.waitMs('loud', startMs + paceMs), paceMs);
  assert.equal(pace.waitMs('loud', startMs + paceMs * 3), 0);
});
