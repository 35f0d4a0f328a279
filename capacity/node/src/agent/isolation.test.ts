import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Isolation } from './isolation.ts';

const header = { heal: { replaceAfterMs: 11_000 } };
const view = {
  current: () => header,
  node: () => ({ farm: 'farm', adoption: { farm: 'farm', standing: 'active' } }),
};

function holds(
  isolation: Isolation,
  hearing: { readonly viewAgeSeconds?: number; cutOffSeconds?: number; monotonicMs?: number },
  onIsolation = 'stop',
): boolean {
  const role = { onIsolation, workload: {} };
  const assignment = { id: 'contract/role/0', contract: 'contract', role };
  const all = { viewAgeSeconds: 0, cutOffSeconds: 0, monotonicMs: 0, ...hearing };
  return isolation.holds(view as never, 'node' as never, assignment as never, all);
}

test('a single writer stands still once its node is cut off for long, and others go on', () => {
  const still = (cutOffSeconds: number, onIsolation?: string): boolean =>
    holds(new Isolation(), { cutOffSeconds }, onIsolation);
  assert.equal(still(8.9), false);
  assert.equal(still(9.1), true);
  assert.equal(still(9.1, 'keep'), false);
});

test('what stood still goes on once its view has every move that may have begun before', () => {
  const isolation = new Isolation();
  assert.equal(holds(isolation, { monotonicMs: 20_000, cutOffSeconds: 9.1 }), true);
  assert.equal(holds(isolation, { monotonicMs: 21_000 }), true);
  assert.equal(holds(isolation, { monotonicMs: 27_500 }), true);
  assert.equal(holds(isolation, { monotonicMs: 29_500, viewAgeSeconds: 2 }), true);
  assert.equal(holds(isolation, { monotonicMs: 29_700, viewAgeSeconds: 2 }), false);
  assert.equal(holds(isolation, { monotonicMs: 29_800, viewAgeSeconds: 8 }), false);
});
