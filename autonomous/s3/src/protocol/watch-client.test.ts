import assert from 'node:assert/strict';
import { suite, test } from 'node:test';

import { ManualClock } from '@commongrid/base/testing';

import { progressMsMax, watchClient } from './watch-client.ts';

const takenBytes = 256 << 10;

suite('a client that is waited for', () => {
  test('is late once it took too little of an answer for too long', async () => {
    const { clock, state } = watched(4 << 20);
    for (let round = 0; round < 5; round += 1) {
      await clock.advance(progressMsMax - 2_000);
      state.unsentBytes -= takenBytes;
      await clock.advance(1_000);
    }
    assert.equal(state.isLate, false);
    state.unsentBytes -= takenBytes - 1;
    await clock.advance(progressMsMax - 2_000);
    assert.equal(state.isLate, false);
    await clock.advance(2_000);
    assert.equal(state.isLate, true);
  });

  test('gains no time by what is sent besides', async () => {
    const { clock, state } = watched(takenBytes);
    await clock.advance(progressMsMax / 2);
    state.unsentBytes += 4 << 20;
    await clock.advance(progressMsMax / 2);
    assert.equal(state.isLate, true);
  });

  test('takes what was sent besides as what anything else is', async () => {
    const { clock, state } = watched(500);
    state.unsentBytes = 4 << 20;
    await clock.advance(progressMsMax / 2);
    state.unsentBytes -= takenBytes;
    await clock.advance(progressMsMax - 1_000);
    assert.equal(state.isLate, false);
    await clock.advance(2_000);
    assert.equal(state.isLate, true);
  });

  test('is cut soon while others wait for memory, unless it takes some', async () => {
    const { clock, state } = watched(4 << 20, true);
    for (let round = 0; round < 10; round += 1) {
      await clock.advance(3_000);
      state.unsentBytes -= takenBytes;
    }
    assert.equal(state.isLate, false);
    await clock.advance(5_000);
    assert.equal(state.isLate, true);
  });
});

function watched(
  unsentBytes: number,
  isPressed = false,
): { clock: ManualClock; state: { unsentBytes: number; isLate: boolean } } {
  const clock = new ManualClock();
  const state = { unsentBytes, isLate: false };
  const options = { clock, isPressed: () => isPressed, unsentBytes: () => state.unsentBytes };
  watchClient(options, () => (state.isLate = true));
  return { clock, state };
}
