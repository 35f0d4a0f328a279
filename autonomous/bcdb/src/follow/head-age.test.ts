import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualClock } from '@commongrid/base/testing';

import { headAgeSeconds } from './head-age.ts';

test('a head ages from when it was asked for, whatever the wall clocks say', async () => {
  const clock = new ManualClock(1_000_000);
  const askedMs = clock.monotonicMs();
  const age = (timestamp: number | undefined, asked: number | undefined = askedMs): number =>
    headAgeSeconds(clock, { timestamp, askedMs: asked });
  await clock.advance(20_000);
  assert.equal(age(1_000), 20);
  // Ten seconds behind the sequencer: by the wall clock alone it would be 10 s old.
  assert.equal(age(1_010), 20);
  assert.equal(age(1_060), 40);
  assert.equal(age(900), 120);
  assert.equal(age(undefined), Number.POSITIVE_INFINITY);
  assert.equal(headAgeSeconds(clock, { timestamp: 1_000, askedMs: undefined }), Infinity);
});
