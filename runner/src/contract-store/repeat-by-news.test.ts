import assert from 'node:assert/strict';
import { test } from 'node:test';

import { ManualClock } from '@commongrid/base/testing';

import { repeatByNews } from './repeat-by-news.ts';

/** A task that is repeated every 1,000 ms without news, and at most every 100 ms with it. */
class Rounds {
  readonly clock = new ManualClock();
  count = 0;
  /** What a round does. */
  work = async (): Promise<void> => {};
  #news = Promise.withResolvers<void>();
  readonly #closing = new AbortController();
  readonly #running: Promise<void>;

  constructor() {
    const { signal } = this.#closing;
    const task = async (): Promise<void> => {
      this.count++;
      await this.work();
    };
    const changed = async (until: AbortSignal): Promise<void> => {
      const over = Promise.withResolvers<void>();
      until.addEventListener('abort', () => over.resolve(), { once: true });
      await Promise.race([this.#news.promise, over.promise]);
    };
    const times = { everyMs: 1_000, restMs: 100, clock: this.clock };
    this.#running = repeatByNews(task, { ...times, changed, signal });
  }

  tell(): void {
    this.#news.resolve();
    this.#news = Promise.withResolvers<void>();
  }

  async end(): Promise<void> {
    this.#closing.abort();
    await this.#running;
  }
}

test('a task is repeated by time where there is no news', async () => {
  const rounds = new Rounds();
  await rounds.clock.advance(999);
  assert.equal(rounds.count, 1);
  await rounds.clock.advance(1);
  assert.equal(rounds.count, 2);
  await rounds.end();
});

test('news has it repeated at once, a crowd of it not more often than it may', async () => {
  const rounds = new Rounds();
  await rounds.clock.advance(500);
  rounds.tell();
  await rounds.clock.advance(0);
  assert.equal(rounds.count, 2);
  for (let n = 0; n < 9; n++) {
    rounds.tell();
    await rounds.clock.advance(10);
  }
  assert.equal(rounds.count, 2);
  await rounds.clock.advance(10);
  assert.equal(rounds.count, 3);
  await rounds.end();
});

test('news that comes while the task works is not lost', async () => {
  const rounds = new Rounds();
  const working = Promise.withResolvers<void>();
  rounds.work = () => working.promise;
  await rounds.clock.advance(1_000);
  assert.equal(rounds.count, 2);
  rounds.tell();
  await rounds.clock.advance(200);
  working.resolve();
  await rounds.clock.advance(0);
  assert.equal(rounds.count, 3);
  await rounds.end();
});
