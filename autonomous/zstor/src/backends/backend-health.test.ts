import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BackendHealth } from './backend-health.ts';
import { LatencyWindow } from './latency-window.ts';

const minuteMs = 60_000;

test('a backend is suspect at its first failure, lost after 15 minutes, healthy at one answer', () => {
  const health = new BackendHealth();
  assert.deepEqual([health.state(0), health.takesWrites(0)], ['healthy', true]);
  health.failed(minuteMs);
  health.failed(10 * minuteMs);
  assert.deepEqual([health.state(2 * minuteMs), health.takesWrites(0)], ['suspect', false]);
  assert.equal(health.state(16 * minuteMs), 'lost');
  health.answered();
  assert.equal(health.state(17 * minuteMs), 'healthy');
});

test('a backend that refuses writes gets none for half a minute, and is healthy', () => {
  const health = new BackendHealth();
  health.refusedWrite(0);
  assert.deepEqual([health.state(1), health.takesWrites(29_999)], ['healthy', false]);
  assert.equal(health.takesWrites(30_000), true);
});

test('percentiles are those of the last latencies', () => {
  const window = new LatencyWindow();
  assert.deepEqual(window.percentilesMs, { p50: 0, p95: 0 });
  for (let ms = 1; ms <= 100; ms++) window.record(1000);
  for (let ms = 1; ms <= 128; ms++) window.record(ms);
  const { p50, p95 } = window.percentilesMs;
  assert.ok(Math.abs(p50 - 64) <= 9 && Math.abs(p95 - 122) <= 9, `${p50} ${p95}`);
  window.forget();
  assert.deepEqual(window.percentilesMs, { p50: 0, p95: 0 });
});
