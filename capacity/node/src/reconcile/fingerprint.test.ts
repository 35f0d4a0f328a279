import assert from 'node:assert/strict';
import { test } from 'node:test';

import type { ContractRole } from '@commongrid/model';
import { fakeId } from '@commongrid/model/testing';

import type { Assignment } from '../assignment.ts';
import { fingerprintOf, isMadeAs } from './fingerprint.ts';
import type { Wish } from './wish.ts';

const role: ContractRole = {
  ...{ name: 'web', replicas: 1, networks: [], after: [], data: 'none', onIsolation: 'keep' },
  restart: { policy: 'always', delayMs: 200, delayMaxMs: 1_000 },
  spread: { distinctNodes: false },
  resources: { cpuMilli: 500, memoryBytes: 67_108_864, ssdBytes: 0, hddBytes: 0, ipv4: 0 },
  workload: { kind: 'volume', volume: { sizeBytes: 16_777_216, disk: 'ssd' } },
};
const assignment: Assignment = {
  ...{ id: fakeId.workload(fakeId.contract(1), 'web', 0), key: '04df69b21e99', revision: 3 },
  ...{ contract: fakeId.contract(1), tenant: fakeId.bot(1), role, replica: 0, isElevated: false },
  addresses: [{ network: 'inner', ip: '10.0.0.3' }],
  secrets: new Map([['password', 'open sesame']]),
};

/** What containers of nodes that run were made by: another one restarts them all. */
const golden = '1.BOKvcnjuoELSbmuFQli_CRrtqWd3DRqB3Y-8z6nIdAc';

function wished(change: object = {}): Wish {
  return { is: 'running', assignment: { ...assignment, ...change } };
}

test('fingerprint of an assignment stays what it is, from release to release', () => {
  assert.equal(fingerprintOf(wished()), golden);
  assert.ok(isMadeAs(golden, wished()));
});

test('fingerprint knows nothing of a revision, nor of fields that a later release adds', () => {
  assert.equal(fingerprintOf(wished({ revision: 4, surprise: 'new' })), golden);
});

test('fingerprint differs with whatever counts, secrets too', () => {
  const changes = [
    ...[{ role: { ...role, replicas: 9 } }, { replica: 1 }, { addresses: [] }],
    ...[{ isElevated: true }, { key: '04df69b21e98' }, { tenant: fakeId.bot(2) }],
    ...[{ contract: fakeId.contract(2) }, { secrets: new Map([['password', 'other']]) }],
  ];
  for (const change of changes) {
    assert.notEqual(fingerprintOf(wished(change)), golden, JSON.stringify(change));
    assert.ok(!isMadeAs(golden, wished(change)));
  }
});

test('what was made by a list that nobody here knows is not what is wished', () => {
  assert.ok(!isMadeAs(golden.replace('1.', '9.'), wished()));
  assert.ok(!isMadeAs(undefined, wished()));
});
