import assert from 'node:assert/strict';
import { test } from 'node:test';
import { delay, systemClock } from './clock.ts';
import { ManualClock } from './testing/index.ts';

test('delay resolves when its time has come and not before', async () => {
  const clock = new ManualClock();
  let isDone = false;
  const waiting = delay(100, { clock }).then(() => (isDone = true));
  await clock.advance(99);
  assert.equal(isDone, false);
  await clock.advance(1);
  assert.equal(isDone, true);
  await waiting;
});

test('delay rejects and drops its timer when the signal fires', async () => {
  const clock = new ManualClock();
  const controller = new AbortController();
  const waiting = delay(100, { clock, signal: controller.signal });
  controller.abort();
  await assert.rejects(waiting, { code: 'BASE_ABORTED' });
  assert.equal(clock.timerCount, 0);
  await assert.rejects(delay(1, { clock, signal: controller.signal }), { code: 'BASE_ABORTED' });
});

test('systemClock runs a timer once and never one that is cancelled', async () => {
  const order: string[] = [];
  systemClock.setTimer(0, () => order.push('cancelled')).cancel();
  await new Promise<void>((resolve) => {
    systemClock.setTimer(1, () => {
      order.push('ran');
      resolve();
    });
  });
  assert.deepEqual(order, ['ran']);
});

test('systemClock waits for longer than Node can', async () => {
  let hasRun = false;
  const timer = systemClock.setTimer(2 ** 31 + 5, () => (hasRun = true));
  await delay(5);
  timer.cancel();
  assert.equal(hasRun, false);
});

test('systemClock does not go back', () => {
  const first = systemClock.monotonicMs();
  assert.ok(systemClock.monotonicMs() >= first);
  assert.ok(Math.abs(systemClock.nowMs() - Date.now()) < 1000);
});

test('ManualClock runs timers by due time, also those that timers set', async () => {
  const clock = new ManualClock(1000);
  const seen: string[] = [];
  clock.setTimer(20, () => seen.push(`b@${clock.nowMs()}`));
  clock.setTimer(10, () => {
    seen.push(`a@${clock.nowMs()}`);
    clock.setTimer(5, () => seen.push(`c@${clock.nowMs()}`));
  });
  clock.setTimer(31, () => seen.push('late'));
  await clock.advance(30);
  assert.deepEqual(seen, ['a@1010', 'c@1015', 'b@1020']);
  assert.equal(clock.monotonicMs(), 30);
  clock.jump(-500);
  assert.equal(clock.nowMs(), 530);
  assert.equal(clock.monotonicMs(), 30);
});
