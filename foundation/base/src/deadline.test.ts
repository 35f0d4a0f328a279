import assert from 'node:assert/strict';
import { test } from 'node:test';
import { waitFor, withTimeout } from './deadline.ts';
import { ManualClock } from './testing/index.ts';

const broken = (): Promise<never> => Promise.reject(new Error('broken'));

test('withTimeout gives the result and leaves no timer', async () => {
  const clock = new ManualClock();
  assert.equal(await withTimeout(async () => 7, { timeoutMs: 10, what: 'a number', clock }), 7);
  assert.equal(clock.timerCount, 0);
});

test('withTimeout rejects and tells the work to stop when time is up', async () => {
  const clock = new ManualClock();
  let inner: AbortSignal | undefined;
  const result = withTimeout(
    (signal) => {
      inner = signal;
      return new Promise<never>(() => {});
    },
    { timeoutMs: 10, what: 'an answer', clock },
  );
  const rejected = assert.rejects(result, {
    code: 'BASE_TIMEOUT',
    message: 'waited 10 ms for an answer',
    retryable: true,
  });
  await clock.advance(10);
  await rejected;
  assert.equal(inner?.aborted, true);
});

test('withTimeout rejects at once when the caller gives up', async () => {
  const clock = new ManualClock();
  const controller = new AbortController();
  const options = { timeoutMs: 10, what: 'x', clock, signal: controller.signal };
  const result = withTimeout(() => new Promise<never>(() => {}), options);
  controller.abort();
  await assert.rejects(result, { code: 'BASE_ABORTED' });
  assert.equal(clock.timerCount, 0);
  await assert.rejects(
    withTimeout(async () => 1, options),
    { code: 'BASE_ABORTED' },
  );
});

test('withTimeout passes on what the work throws', async () => {
  await assert.rejects(withTimeout(broken, { timeoutMs: 1000, what: 'x' }), { message: 'broken' });
});

test('waitFor resolves with the first truthy value', async () => {
  const clock = new ManualClock();
  let looks = 0;
  const found = waitFor(() => ++looks === 4 && 'there', {
    timeoutMs: 1000,
    everyMs: 10,
    what: 'it',
    clock,
  });
  await clock.advance(30);
  assert.equal(await found, 'there');
  assert.equal(looks, 4);
  assert.equal(clock.timerCount, 0);
});

test('waitFor times out and stops looking', async () => {
  const clock = new ManualClock();
  let looks = 0;
  const options = { timeoutMs: 100, everyMs: 30, what: 'the sun', clock };
  const rejected = assert.rejects(
    waitFor(() => ++looks < 0, options),
    { code: 'BASE_TIMEOUT' },
  );
  await clock.advance(1000);
  await rejected;
  assert.equal(looks, 4);
  assert.equal(clock.timerCount, 0);
});

test('waitFor passes on what the condition throws', async () => {
  await assert.rejects(waitFor(broken, { timeoutMs: 1000, what: 'x' }), { message: 'broken' });
});
