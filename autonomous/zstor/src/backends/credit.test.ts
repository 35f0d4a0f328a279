import assert from 'node:assert/strict';
import { test } from 'node:test';
import { GridError } from '@commongrid/base';
import { ManualClock } from '@commongrid/base/testing';
import { Credit } from './credit.ts';

function credit(clock = new ManualClock()): Credit {
  const refusal = (): GridError => new GridError('ZSTOR_SLOW_DOWN', 'no');
  return new Credit({ totalBytes: 100, waitMs: 5_000, refusal, clock });
}

test('credit is lent in the order of asking, and parts come back', async () => {
  const bytes = credit();
  const first = await bytes.take(80);
  const order: string[] = [];
  const large = bytes.take(60).then((loan) => (order.push('large'), loan));
  const small = bytes.take(10).then((loan) => (order.push('small'), loan));
  assert.equal(bytes.tryTake(1), undefined, 'nobody passes those who wait');
  first.shrinkTo(50);
  first.release();
  first.release();
  await Promise.all([large, small]);
  assert.deepEqual([order, bytes.freeBytes], [['large', 'small'], 30]);
});

test('credit is refused after the wait, and whoever stood behind is served', async () => {
  const clock = new ManualClock();
  const bytes = credit(clock);
  const held = await bytes.take(70);
  const large = assert.rejects(bytes.take(60), { code: 'ZSTOR_SLOW_DOWN' });
  await clock.advance(1_000);
  const small = bytes.take(30);
  await clock.advance(4_000);
  await large;
  assert.equal((await small).bytes, 30);
  held.release();
  assert.equal(clock.timerCount, 0);
});

test('credit is taken back from whoever gives up, and more than all is all', async () => {
  const bytes = credit();
  const all = await bytes.take(1_000);
  assert.deepEqual([all.bytes, bytes.freeBytes], [100, 0]);
  const stop = new AbortController();
  const given = bytes.take(1, stop.signal);
  stop.abort();
  await assert.rejects(given, { code: 'BASE_ABORTED' });
  all.release();
  assert.equal(bytes.freeBytes, 100);
  assert.equal(bytes.tryTake(60, 50), undefined, 'half stays for others');
});
