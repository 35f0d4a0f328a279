import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Tallies } from './tallies.ts';

test('times to heal are told by kind, the slowest first, and waits of clients by what they asked', () => {
  const tallies = new Tallies();
  const fault = (kind: string, healedMs: number) => {
    tallies.healed({ kind, victim: 'be-1', atMs: 0, healedMs });
  };
  fault('cable out', 2_000);
  fault('machine killed', 12_000);
  fault('machine killed', 10_000);
  fault('machine killed', 30_000);
  tallies.request({ kind: 'page', tookMs: 5, passed: true });
  tallies.request({ kind: 'page', tookMs: 15, passed: false });
  assert.equal(tallies.faults, 4);
  assert.deepEqual(tallies.healing, [
    { kind: 'machine killed', count: 3, medianMs: 12_000, worstMs: 30_000 },
    { kind: 'cable out', count: 1, medianMs: 2_000, worstMs: 2_000 },
  ]);
  assert.deepEqual(tallies.requests, [
    { kind: 'page', count: 2, medianMs: 10, worstMs: 15, failed: 1 },
  ]);
});
