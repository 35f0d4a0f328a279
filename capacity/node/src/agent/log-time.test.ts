import assert from 'node:assert/strict';
import { suite, test } from 'node:test';

import { ManualClock } from '@commongrid/base/testing';

import { LogTime } from './log-time.ts';

suite('log time', () => {
  test('goes on while nobody says it, and is held to what the source says', async () => {
    const clock = new ManualClock(0);
    const time = new LogTime(1_000, clock);
    await clock.advance(500);
    assert.deepEqual([time.ms, time.toldMs], [1_500, undefined]);
    time.note(1_000);
    assert.deepEqual([time.ms, time.toldMs], [1_500, undefined]);
    time.note(8_000);
    await clock.advance(100);
    assert.deepEqual([time.ms, time.toldMs], [8_100, 8_100]);
    time.note(8_000);
    assert.equal(time.ms, 8_100);
  });

  test('never goes back, whatever comes late', async () => {
    const clock = new ManualClock(0);
    const time = new LogTime(1_000, clock);
    await clock.advance(20_000);
    assert.equal(time.ms, 21_000);
    time.note(2_000);
    assert.equal(time.ms, 21_000);
    await clock.advance(1_000);
    assert.equal(time.ms, 21_000);
    time.note(22_500);
    assert.equal(time.ms, 22_500);
  });
});
