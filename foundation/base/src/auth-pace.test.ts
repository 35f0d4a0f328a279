import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualClock } from './testing/index.ts';
import { AuthPace } from './auth-pace.ts';

function fail(pace: AuthPace, address: string, times: number): void {
  for (let i = 0; i < times; i++) pace.failed(address);
}

test('pace slows the address that failed, by doubling, and no other', () => {
  const pace = new AuthPace(new ManualClock());
  const pauses: number[] = [];
  for (let i = 0; i < 14; i++) {
    pauses.push(pace.pauseMs('a'));
    pace.failed('a');
  }
  assert.deepEqual(pauses, [0, 0, 0, 0, 0, 0, 100, 200, 400, 800, 1600, 2000, 2000, 2000]);
  assert.equal(pace.pauseMs('b'), 0);
});

test('pace forgives an address that stops failing', async () => {
  const clock = new ManualClock();
  const pace = new AuthPace(clock);
  fail(pace, 'a', 100);
  await clock.advance(50_000);
  assert.equal(pace.pauseMs('a'), 100);
  await clock.advance(10_000);
  assert.equal(pace.pauseMs('a'), 0);
  await clock.advance(50_000);
  assert.equal(pace.pauseMs('a'), 0);
  assert.equal(pace.addressCount, 0);
});

test('pace remembers a bounded number of addresses, those that failed last', () => {
  const pace = new AuthPace(new ManualClock());
  fail(pace, 'kept', 9);
  fail(pace, 'forgotten', 9);
  for (let i = 0; i < 4094; i++) pace.failed(`other-${i}`);
  pace.failed('kept');
  pace.failed('new');
  assert.equal(pace.addressCount, 4096);
  assert.equal(pace.pauseMs('forgotten'), 0);
  assert.equal(pace.pauseMs('kept'), 1600);
});
