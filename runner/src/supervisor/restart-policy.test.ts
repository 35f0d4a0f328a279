import assert from 'node:assert/strict';
import { test } from 'node:test';

import fc from 'fast-check';

import { restartLimits, RestartPolicy } from './restart-policy.ts';

test('pauses double up to the longest one', () => {
  const policy = new RestartPolicy({ ...restartLimits, maxRestarts: 20 });
  const pauses = Array.from({ length: 11 }, (_, crash) => policy.nextPauseMs(10, crash));
  assert.deepEqual(pauses.slice(0, 4), [100, 200, 400, 800]);
  assert.equal(pauses.at(-1), restartLimits.maxPauseMs);
});

test('a healthy life makes the next pause short again', () => {
  const policy = new RestartPolicy();
  policy.nextPauseMs(10, 0);
  policy.nextPauseMs(10, 1_000);
  assert.equal(policy.nextPauseMs(restartLimits.healthyMs + 1, 100_000), 100);
});

test('no window holds more restarts than the limit', () => {
  const gaps = fc.array(fc.integer({ min: 0, max: 120_000 }), { maxLength: 60 });
  fc.assert(
    fc.property(gaps, (gapsMs) => {
      const policy = new RestartPolicy();
      const restartsMs: number[] = [];
      let nowMs = 0;
      for (const gapMs of gapsMs) {
        nowMs += gapMs;
        if (policy.nextPauseMs(gapMs, nowMs) === undefined) break;
        restartsMs.push(nowMs);
      }
      for (const endMs of restartsMs) {
        const { windowMs, maxRestarts } = restartLimits;
        const inWindow = restartsMs.filter((ms) => ms <= endMs && endMs - ms < windowMs);
        assert.ok(inWindow.length <= maxRestarts);
      }
    }),
  );
});
