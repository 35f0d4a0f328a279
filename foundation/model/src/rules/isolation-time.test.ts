import assert from 'node:assert/strict';
import { test } from 'node:test';

import {
  clockRatesMax,
  isolationLookMs,
  isolationMs,
  replaceAfterMsMin,
} from './isolation-time.ts';

const roleOf = (graceSeconds: number) =>
  ({
    workload: { kind: 'container', container: { stop: { signal: 'SIGTERM', graceSeconds } } },
  }) as never;

test('a role that stops when cut off has ended before it is started elsewhere', () => {
  const heal = { replaceAfterMs: 11_000 };
  const cutOffMs = isolationMs(heal, roleOf(2));
  assert.equal(Math.round(cutOffMs), 7_000);
  assert.ok(clockRatesMax * (cutOffMs + isolationLookMs + 2_000) <= heal.replaceAfterMs + 1);
});

test('a grace that is longer than the time there is leaves none', () => {
  assert.equal(isolationMs({ replaceAfterMs: 10_000 }, roleOf(60)), 0);
});

test('the least time to replace bears four seconds without word', () => {
  const replaceAfterMs = replaceAfterMsMin(roleOf(10));
  assert.ok(Math.abs(isolationMs({ replaceAfterMs }, roleOf(10)) - 4_000) < 1);
});
