import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualClock } from '@commongrid/base/testing';
import { AgeClock } from './age-clock.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const YEAR_MS = 365 * DAY_MS;
const NOW_MS = 1_800_000_000_000;

function started(clock: ManualClock, savedMs?: number): { ages: AgeClock; aheadDays: number[] } {
  const aheadDays: number[] = [];
  const ages = new AgeClock({
    nowMs: () => clock.nowMs(),
    monotonicMs: () => clock.monotonicMs(),
    onAhead: (aheadMs) => aheadDays.push(Math.round(aheadMs / DAY_MS)),
  });
  ages.start(savedMs);
  return { ages, aheadDays };
}

test('age clock goes with a clock that goes well', async () => {
  const clock = new ManualClock(NOW_MS);
  const { ages, aheadDays } = started(clock, NOW_MS - DAY_MS);
  assert.equal(ages.nowMs(), NOW_MS);
  for (let i = 0; i < 10; i++) {
    await clock.advance(DAY_MS);
    assert.equal(ages.nowMs(), clock.nowMs());
    assert.equal(ages.aheadMs(), 0);
  }
  clock.jump(-HOUR_MS);
  assert.equal(ages.nowMs(), clock.nowMs());
  clock.jump(HOUR_MS);
  assert.equal(ages.nowMs(), clock.nowMs());
  assert.equal(ages.savedMs(), clock.nowMs());
  assert.deepEqual(aheadDays, []);
});

test('age clock does not follow a jump, and says so once', async () => {
  const clock = new ManualClock(NOW_MS);
  const { ages, aheadDays } = started(clock, NOW_MS);
  clock.jump(YEAR_MS);
  assert.equal(ages.nowMs(), NOW_MS);
  // A day passes unseen, then some more in small steps: no more than a hundredth is gained.
  await clock.advance(DAY_MS);
  for (let i = 0; i < 100; i++) {
    await clock.advance(HOUR_MS);
    ages.nowMs();
  }
  const ranMs = DAY_MS + 100 * HOUR_MS;
  const gainedMs = ages.nowMs() - NOW_MS - ranMs;
  assert.ok(gainedMs > 0 && gainedMs <= ranMs / 100 + 1, String(gainedMs));
  assert.deepEqual(aheadDays, [365]);
  clock.jump(-YEAR_MS);
  assert.equal(ages.nowMs(), clock.nowMs());
  clock.jump(YEAR_MS);
  ages.nowMs();
  assert.deepEqual(aheadDays, [365, 365]);
});

test('age clock makes up for small steps', async () => {
  const clock = new ManualClock(NOW_MS);
  const { ages } = started(clock, NOW_MS);
  clock.jump(60_000);
  await clock.advance(100 * 60_000);
  assert.equal(ages.nowMs(), clock.nowMs());
});

test('age clock believes after an hour that the store was closed for a week', async () => {
  const clock = new ManualClock(NOW_MS);
  const { ages, aheadDays } = started(clock, NOW_MS - 7 * DAY_MS);
  assert.deepEqual(aheadDays, [7]);
  await clock.advance(HOUR_MS - 1);
  assert.ok(ages.nowMs() < NOW_MS - 6 * DAY_MS);
  await clock.advance(1);
  assert.equal(ages.nowMs(), clock.nowMs());
  assert.equal(ages.aheadMs(), 0);
});

test('age clock believes what was the time at the start, not a jump within the hour', async () => {
  const clock = new ManualClock(NOW_MS);
  const { ages } = started(clock, NOW_MS - 7 * DAY_MS);
  clock.jump(YEAR_MS);
  await clock.advance(2 * HOUR_MS);
  assert.equal(ages.nowMs(), NOW_MS + 2 * HOUR_MS);
});

test('age clock takes the right time when it is set within the hour', async () => {
  const clock = new ManualClock(NOW_MS + YEAR_MS);
  const { ages } = started(clock, NOW_MS);
  await clock.advance(HOUR_MS / 2);
  clock.jump(-YEAR_MS);
  await clock.advance(HOUR_MS);
  assert.equal(ages.nowMs(), clock.nowMs());
  clock.jump(YEAR_MS);
  assert.ok(ages.nowMs() < NOW_MS + DAY_MS);
});

test('age clock of a folder that knows no time waits the hour, and goes on when opened anew', async () => {
  const clock = new ManualClock(NOW_MS);
  const { ages, aheadDays } = started(clock);
  await clock.advance(HOUR_MS / 2);
  ages.start(NOW_MS + YEAR_MS);
  assert.ok(ages.nowMs() < DAY_MS);
  assert.equal(ages.savedMs(), undefined);
  await clock.advance(HOUR_MS / 2);
  assert.equal(ages.nowMs(), clock.nowMs());
  assert.deepEqual(aheadDays, []);
});
