import assert from 'node:assert/strict';
import { test } from 'node:test';
import { defaultServerLimits } from './config.ts';
import { StallWatch } from './stall-watch.ts';
import type { StallFacts } from './stall-watch.ts';

const limits = { ...defaultServerLimits, stallMs: 100, pressureStallMs: 10, minProgressBytes: 50 };

test('stall watch leaves an idle peer alone', () => {
  const watch = new StallWatch(limits);
  for (const nowMs of [0, 1000, 100_000]) assert.equal(watch.check(nowMs, facts({})), false);
});

test('stall watch finds a request that does not go on', () => {
  const watch = new StallWatch(limits);
  assert.equal(watch.check(0, owes(0)), false);
  assert.equal(watch.check(100, owes(50)), false);
  assert.equal(watch.check(199, owes(99)), false);
  assert.equal(watch.check(200, owes(99)), true);
});

test('stall watch starts anew with each request', () => {
  const watch = new StallWatch(limits);
  assert.equal(watch.check(0, facts({ isOwedInput: true, requests: 1 })), false);
  assert.equal(watch.check(100, facts({ isOwedInput: true, requests: 2 })), false);
  assert.equal(watch.check(150, facts({ isOwedInput: false, requests: 2 })), false);
  assert.equal(watch.check(200, facts({ isOwedInput: true, requests: 2 })), false);
});

test('stall watch finds output that does not move, sooner under pressure', () => {
  const watch = new StallWatch(limits);
  assert.equal(watch.check(0, facts({ writableLength: 9 })), false);
  assert.equal(watch.check(90, facts({ writableLength: 8 })), false);
  assert.equal(watch.check(99, facts({ writableLength: 8 })), false);
  assert.equal(watch.check(100, facts({ writableLength: 8, isUnderPressure: true })), true);
  assert.equal(watch.check(189, facts({ writableLength: 8 })), false);
  assert.equal(watch.check(190, facts({ writableLength: 8 })), true);
});

function owes(bytesRead: number): StallFacts {
  return facts({ bytesRead, isOwedInput: true });
}

interface Given {
  readonly bytesRead?: number;
  readonly writableLength?: number;
  readonly isOwedInput?: boolean;
  readonly requests?: number;
  readonly isUnderPressure?: boolean;
}

function facts(given: Given): StallFacts {
  const { bytesRead = 0, writableLength = 0 } = given;
  const { isOwedInput = false, requests = 0, isUnderPressure = false } = given;
  return { socket: { bytesRead, writableLength }, isOwedInput, requests, isUnderPressure };
}
