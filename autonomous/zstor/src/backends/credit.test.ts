import assert from 'node:assert/strict';
import { test } from 'node:test';
import { GridError } from '@commongrid/base';
import { ManualClock } from '@commongrid/base/testing';
import { Credit } from './credit.ts';
import type { CreditLoan } from './credit.ts';

function credit(clock = new ManualClock()): Credit {
  const refusal = (): GridError => new GridError('ZSTOR_SLOW_DOWN', 'no');
  return new Credit({ totalBytes: 100, waitMs: 5_000, refusal, clock });
}

const hasCode = { code: 'ZSTOR_SLOW_DOWN' };

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

test('borrowers share, so that however much one wants there is room for others', async () => {
  const clock = new ManualClock();
  const bytes = credit(clock);
  const takenBy = async (borrower: string): Promise<number> => {
    let sum = 0;
    for (;;) {
      const loan = bytes.tryTake(1, 0, borrower);
      if (loan === undefined) return sum;
      sum += loan.bytes;
    }
  };
  assert.equal(await takenBy('a'), 75);
  const more = bytes.take(1, undefined, 'a');
  assert.equal(await takenBy('b'), 18, 'though another one waits');
  const own = await bytes.take(7);
  assert.equal(bytes.freeBytes, 0, 'own work takes what is left');
  own.release();
  assert.equal(bytes.freeBytes, 7);
  const third = bytes.take(20, undefined, 'c');
  const refused = Promise.all([more, third].map((each) => assert.rejects(each, hasCode)));
  await clock.advance(5_000);
  await refused;
});

test('those who want all have equal parts in the end', async () => {
  const bytes = credit();
  const held = new Map<string, CreditLoan[]>([
    ['a', []],
    ['b', []],
    ['c', []],
  ]);
  for (let turn = 0; turn < 400; turn++) {
    for (const [borrower, loans] of held) {
      for (let loan; (loan = bytes.tryTake(1, 0, borrower)) !== undefined;) loans.push(loan);
      loans.shift()?.release();
    }
  }
  // 3 / (1 + 3 * 3) of 100 each, and a tenth is free.
  for (const [borrower, { length }] of held) {
    assert.ok(length >= 27 && length <= 32, `${borrower} has ${length}`);
  }
});
