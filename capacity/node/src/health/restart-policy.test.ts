import assert from 'node:assert/strict';
import { test } from 'node:test';

import { isRestartDue, neverRestarted, nextRestart } from './restart-policy.ts';
import type { EndedRun, RestartState } from './restart-policy.ts';

const always = { policy: 'always', delayMs: 1_000, delayMaxMs: 30_000 } as const;
const crash: EndedRun = { startedMs: 0, endedMs: 5_000, exitCode: 1, isOutOfMemory: false };

function pauses(runs: readonly EndedRun[]): number[] {
  let state: RestartState | undefined = neverRestarted;
  return runs.map((run) => {
    state = nextRestart(always, state ?? neverRestarted, run);
    return (state?.nextMs ?? Number.NaN) - run.endedMs;
  });
}

test('restart doubles its pause up to the longest and never gives up', () => {
  const all = pauses(Array.from({ length: 2_000 }, () => crash));
  assert.deepEqual(all.slice(0, 7), [1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]);
  assert.equal(all.at(-1), 30_000);
});

test('restart begins with the first pause after a long run', () => {
  const long = { ...crash, endedMs: 600_000 };
  assert.deepEqual(pauses([crash, crash, crash, long, crash]), [1_000, 2_000, 4_000, 1_000, 2_000]);
});

test('restart depends on the policy and on how the run ended', () => {
  const clean = { ...crash, exitCode: 0 };
  const starved = { ...clean, isOutOfMemory: true };
  const wants = (policy: 'always' | 'on-failure' | 'never', run: EndedRun): boolean =>
    nextRestart({ ...always, policy }, neverRestarted, run) !== undefined;
  assert.deepEqual(
    [clean, crash, starved].map((run) => wants('on-failure', run)),
    [false, true, true],
  );
  assert.ok([clean, crash].every((run) => wants('always', run)));
  assert.ok(![clean, crash, starved].some((run) => wants('never', run)));
});

test('restart is due at its time, and when the clock was set back', () => {
  const state = { restarts: 1, nextMs: 100_000 };
  assert.ok(!isRestartDue(always, state, 99_999));
  assert.ok(isRestartDue(always, state, 100_000));
  assert.ok(!isRestartDue(always, state, 70_000));
  assert.ok(isRestartDue(always, state, 69_999));
});
