import assert from 'node:assert/strict';
import { test } from 'node:test';

import type { ContractId } from '@commongrid/model';

import { smallContract, smallKinds, smallPlaces } from './small-contract.ts';

test('a small contract has as many places as are counted, and none that others reach', () => {
  for (const kind of smallKinds) {
    const { roles } = smallContract({ name: 'soak-1', kind, works: true });
    assert.equal(roles.length, smallPlaces(kind), kind);
    for (const { container } of roles) {
      for (const port of container?.ports ?? []) assert.equal(port.publish, undefined, kind);
    }
  }
});

test('a version that does not work has its probe, and may be taken back', () => {
  const replaces = 'contract:AAAAAAAAAAAAAAAAAAAAAA' as ContractId;
  const [good, bad] = [true, false].map((works) => {
    return smallContract({ name: 'soak-2', kind: 'page', replaces, works });
  });
  assert.equal(bad?.mayRollBack, true);
  const probes = [good, bad].map((one) => one?.roles[0]?.health?.probe);
  assert.deepEqual(probes, ['http', 'http']);
  assert.notDeepEqual(bad?.roles[0]?.container, good?.roles[0]?.container);
});
