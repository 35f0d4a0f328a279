import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { delay } from './clock.ts';
import { GridError } from './errors.ts';
import { seededRandom } from './random.ts';
import { repeat, retry } from './retry.ts';
import { ManualClock } from './testing/index.ts';

const fail = (): Promise<never> => Promise.reject(busy());
const busy = (): GridError => new GridError('BUSY', 'later', { retryable: true });

test('retry pauses longer each time and gives the first success', async () => {
  const clock = new ManualClock();
  const at: number[] = [];
  const result = retry(
    async (attempt) => {
      at.push(clock.monotonicMs());
      if (attempt < 5) throw busy();
      return attempt;
    },
    { clock, jitter: 0, baseMs: 10, maxMs: 50, factor: 3 },
  );
  await clock.advance(1000);
  assert.equal(await result, 5);
  assert.deepEqual(at, [0, 10, 40, 90, 140]);
});

test('retry gives the last error when its attempts are used up', async () => {
  const clock = new ManualClock();
  let calls = 0;
  const result = retry(
    async () => {
      calls++;
      throw busy();
    },
    { clock, attempts: 3 },
  );
  const rejected = assert.rejects(result, { code: 'BUSY' });
  await clock.advance(60_000);
  await rejected;
  assert.equal(calls, 3);
});

test('retry does not repeat an error that does not say it is retryable', async () => {
  for (const error of [new GridError('NO', 'never'), new TypeError('bug')]) {
    let calls = 0;
    const result = retry(async () => {
      calls++;
      throw error;
    });
    await assert.rejects(result, error);
    assert.equal(calls, 1);
  }
});

test('retry asks shouldRetry when it is given', async () => {
  const asked: number[] = [];
  const shouldRetry = (_error: unknown, attempt: number): boolean => asked.push(attempt) < 2;
  const result = retry(() => Promise.reject(new Error('x')), { shouldRetry, baseMs: 0 });
  await assert.rejects(result, { message: 'x' });
  assert.deepEqual(asked, [1, 2]);
});

test('retry stops during a pause when the signal fires', async () => {
  const clock = new ManualClock();
  const controller = new AbortController();
  const result = retry(() => Promise.reject(busy()), { clock, signal: controller.signal });
  await clock.advance(0);
  controller.abort();
  await assert.rejects(result, { code: 'BASE_ABORTED' });
  assert.equal(clock.timerCount, 0);
});

test('retry refuses less than one attempt', async () => {
  await assert.rejects(
    retry(async () => 1, { attempts: 0 }),
    { code: 'BASE_OPTION_INVALID' },
  );
});

test('retry pauses stay between the jittered and the full pause', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer(),
      fc.double({ min: 0, max: 1, noNaN: true }),
      async (seed, jitter) => {
        const clock = new ManualClock();
        const at: number[] = [];
        const result = retry(
          async (attempt) => {
            at.push(clock.monotonicMs());
            if (attempt < 3) throw busy();
          },
          { clock, random: seededRandom(seed), jitter, baseMs: 100, factor: 2 },
        );
        await clock.advance(300);
        await result;
        const [first = NaN, second = NaN, third = NaN] = at;
        const pauses = [second - first, (third - second) / 2];
        for (const pause of pauses)
          assert.ok(pause >= 100 * (1 - jitter) - 1e-9 && pause <= 100 + 1e-9);
      },
    ),
    { numRuns: 30 },
  );
});

test('repeat starts at a steady pace and never overlaps itself', async () => {
  const clock = new ManualClock();
  const controller = new AbortController();
  const starts: number[] = [];
  let running = 0;
  const loop = repeat(
    100,
    async () => {
      assert.equal(++running, 1);
      starts.push(clock.monotonicMs());
      await delay(starts.length === 2 ? 250 : 30, { clock });
      running--;
    },
    { signal: controller.signal, clock },
  );
  await clock.advance(500);
  controller.abort();
  await clock.advance(100);
  await loop;
  assert.deepEqual(starts, [0, 100, 350, 450]);
});

test('repeat waits for the run under way when the signal fires', async () => {
  const clock = new ManualClock();
  const controller = new AbortController();
  let isDone = false;
  const loop = repeat(
    100,
    async () => {
      await delay(50, { clock });
      isDone = true;
    },
    { signal: controller.signal, clock },
  );
  await clock.advance(10);
  controller.abort();
  await clock.advance(40);
  await loop;
  assert.equal(isDone, true);
});

test('repeat reports errors and goes on, or ends with the error', async () => {
  const clock = new ManualClock();
  const controller = new AbortController();
  const errors: unknown[] = [];
  const loop = repeat(10, fail, {
    signal: controller.signal,
    clock,
    onError: (error) => errors.push(error),
  });
  await clock.advance(25);
  controller.abort();
  await loop;
  assert.equal(errors.length, 3);
  await assert.rejects(repeat(10, fail, { signal: new AbortController().signal, clock }), {
    code: 'BUSY',
  });
});
