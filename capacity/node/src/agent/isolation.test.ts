import assert from 'node:assert/strict';
import { test } from 'node:test';

import { isolationLookMs, isolationMs, mustStandStill } from './isolation.ts';

test('a role that stops when cut off has ended before it is started elsewhere', () => {
  const container = { stop: { signal: 'SIGTERM', graceSeconds: 2 } };
  const role = { workload: { kind: 'container', container } } as never;
  const heal = { replaceAfterMs: 11_000 };
  assert.equal(Math.round(isolationMs(heal, role)), 7_000);
  assert.ok(1.1 * (isolationMs(heal, role) + isolationLookMs + 2_000) <= heal.replaceAfterMs + 1);
});

test('a grace that is longer than the time there is leaves none', () => {
  const container = { stop: { signal: 'SIGTERM', graceSeconds: 60 } };
  const role = { workload: { kind: 'container', container } } as never;
  assert.equal(isolationMs({ replaceAfterMs: 10_000 }, role), 0);
});

test('a node that reads on while its signs of life are lost stands still too', () => {
  const role = { onIsolation: 'stop', workload: {} };
  const header = { heal: { replaceAfterMs: 11_000 } };
  const view = {
    current: () => header,
    node: () => ({ farm: 'farm', adoption: { farm: 'farm', standing: 'active' } }),
  };
  const still = (viewAgeSeconds: number, silentSeconds: number, onIsolation = 'stop'): boolean => {
    const assignment = { contract: 'contract', role: { ...role, onIsolation } };
    const hearing = { viewAgeSeconds, silentSeconds };
    return mustStandStill(view as never, 'node' as never, assignment as never, hearing);
  };
  assert.equal(still(8.9, 8.9), false);
  assert.equal(still(0, 9.1), true);
  assert.equal(still(9.1, 0), true);
  assert.equal(still(9.1, 9.1, 'keep'), false);
});
