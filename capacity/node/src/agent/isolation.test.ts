import assert from 'node:assert/strict';
import { test } from 'node:test';

import { isolationMs } from './isolation.ts';

test('a role that stops when cut off has ended before it is started elsewhere', () => {
  const container = { stop: { signal: 'SIGTERM', graceSeconds: 2 } };
  const role = { workload: { kind: 'container', container } } as never;
  const heal = { replaceAfterMs: 11_000 };
  assert.equal(Math.round(isolationMs(heal, role)), 8_000);
  assert.ok(1.1 * (isolationMs(heal, role) + 2_000) <= heal.replaceAfterMs + 1);
});

test('a grace that is longer than the time there is leaves none', () => {
  const container = { stop: { signal: 'SIGTERM', graceSeconds: 60 } };
  const role = { workload: { kind: 'container', container } } as never;
  assert.equal(isolationMs({ replaceAfterMs: 10_000 }, role), 0);
});
