import assert from 'node:assert/strict';
import { test } from 'node:test';

import { secondsHad } from './places-had.ts';

const said = [
  { phase: 'starting', at: 1_000 },
  { phase: 'running', at: 2_000 },
  { phase: 'healthy', at: 3_000 },
  { phase: 'unhealthy', at: 10_000 },
  { phase: 'healthy', at: 20_000 },
] as const;

test('a place is had while its machine says so', () => {
  assert.equal(secondsHad(said, [], 25_000), 13);
  assert.equal(secondsHad(said.slice(0, 1), [], 25_000), 0);
  assert.equal(secondsHad([], [], 25_000), 0);
});

test('nobody has a place on a machine without power, whatever it said before', () => {
  assert.equal(secondsHad(said, [{ fromMs: 21_000, untilMs: 60_000 }], 25_000), 9);
  // Some of it was in a time in which it was not had anyway.
  const cuts = [
    { fromMs: 9_000, untilMs: 12_000 },
    { fromMs: 30_000, untilMs: 40_000 },
  ];
  assert.equal(secondsHad(said, cuts, 25_000), 12);
});
