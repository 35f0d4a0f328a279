import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualClock } from '@commongrid/base/testing';
import type { Store } from '../engine/store.ts';
import { ScrubSchedule } from './scrub-schedule.ts';

const HOUR_MS = 3_600_000;

test('scrub schedule starts a round when the last one is long enough ago', async () => {
  const clock = new ManualClock(1_000 * HOUR_MS);
  let starts = 0;
  const table = { scrubbedMs: 990 * HOUR_MS };
  const start = (): boolean => {
    starts++;
    table.scrubbedMs = clock.nowMs();
    return true;
  };
  const store = { table, scrubber: { start } } as unknown as Store;
  using schedule = new ScrubSchedule(store, 24 * HOUR_MS, clock);
  assert.ok(schedule);
  await clock.advance(13 * HOUR_MS);
  assert.equal(starts, 0);
  await clock.advance(2 * HOUR_MS);
  assert.equal(starts, 1);
  await clock.advance(50 * HOUR_MS);
  assert.equal(starts, 3);
});

test('scrub schedule of 0 never starts one', async () => {
  const clock = new ManualClock(1_000 * HOUR_MS);
  const store = { table: { scrubbedMs: 0 } } as unknown as Store;
  using schedule = new ScrubSchedule(store, 0, clock);
  assert.ok(schedule);
  await clock.advance(10_000 * HOUR_MS);
});
