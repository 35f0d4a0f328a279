import assert from 'node:assert/strict';
import { test } from 'node:test';
import { feedWaitersMax, FeedWaiters } from './feed-waiters.ts';

/** Waits, and says when it was woken. */
class Reader {
  isWoken = false;
  isDue = false;
  readonly stop = new AbortController();
  readonly ended: Promise<void>;

  constructor(waiters: FeedWaiters) {
    this.ended = this.#wait(waiters);
  }

  async #wait(waiters: FeedWaiters): Promise<void> {
    await waiters.until(() => this.isDue, this.stop.signal);
    this.isWoken = true;
  }
}

const readers = (waiters: FeedWaiters, count: number): Reader[] =>
  Array.from({ length: count }, () => new Reader(waiters));

test('a reader waits until a look finds that it is due', async () => {
  const waiters = new FeedWaiters();
  const [one, other] = [new Reader(waiters), new Reader(waiters)];
  waiters.look();
  one.isDue = true;
  assert.equal(waiters.count, 2);
  waiters.look();
  await one.ended;
  assert.equal(waiters.count, 1);
  assert.equal(other.isWoken, false);
  other.isDue = true;
  waiters.look();
  await other.ended;
});

test('nobody waits for what is due, or behind a signal that fired', async () => {
  const waiters = new FeedWaiters();
  await waiters.until(() => true, new AbortController().signal);
  await waiters.until(() => false, AbortSignal.abort());
  const reader = new Reader(waiters);
  assert.equal(waiters.count, 1);
  reader.stop.abort();
  await reader.ended;
  assert.equal(waiters.count, 0);
});

test('many who are due are woken few by few, in the order in which they came', async () => {
  const waiters = new FeedWaiters();
  const all = readers(waiters, 100);
  for (const reader of all) reader.isDue = true;
  waiters.look();
  // What comes meanwhile does not begin a second round of waking.
  waiters.look();
  await all[0]?.ended;
  const woken = (): number => all.filter(({ isWoken }) => isWoken).length;
  const first = woken();
  assert.ok(first > 0 && first < 50, `${first} were woken at once`);
  assert.ok(all.slice(0, first).every(({ isWoken }) => isWoken));
  await Promise.all(all.map(({ ended }) => ended));
  assert.equal(waiters.count, 0);
});

test('when too many wait the next one does not', async () => {
  const waiters = new FeedWaiters();
  const all = readers(waiters, feedWaitersMax);
  await new Reader(waiters).ended;
  all[0]?.stop.abort();
  await all[0]?.ended;
  const last = new Reader(waiters);
  assert.equal(waiters.count, feedWaitersMax);
  for (const { stop } of [...all, last]) stop.abort();
  await last.ended;
});
