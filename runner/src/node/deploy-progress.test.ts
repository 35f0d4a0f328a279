import assert from 'node:assert/strict';
import { test } from 'node:test';

import type { EventPhase } from '@commongrid/model';
import { fakeId } from '@commongrid/model/testing';

import { standingOf } from './deploy-progress.ts';
import type { WorkloadEvent } from './deploy-progress.ts';

const node = fakeId.node(1);
const web = fakeId.workload(fakeId.contract(1), 'web', 0);
const data = fakeId.workload(fakeId.contract(1), 'data', 0);
const placed = [
  { workload: web, node },
  { workload: data, node },
];

function standing(
  phases: readonly EventPhase[],
  isRetryable: boolean,
  isPatient: boolean,
  code = 'NODE_FAULT',
): string {
  const events = phases.map((phase, index): WorkloadEvent => {
    const workload = index === 0 ? web : data;
    return { node, workload, revision: 1, phase, at: 0, isRetryable, code };
  });
  const byWorkload = new Map(events.map((event) => [event.workload, event]));
  return standingOf(placed, byWorkload, isPatient).is;
}

test('a deployment is there once each workload is healthy, or has ended as it should', () => {
  assert.equal(standing([], false, false), 'coming');
  assert.equal(standing(['healthy'], false, false), 'coming');
  assert.equal(standing(['healthy', 'running'], false, false), 'coming');
  assert.equal(standing(['healthy', 'healthy'], false, false), 'there');
  assert.equal(standing(['healthy', 'stopped'], false, false, 'NODE_ENDED'), 'there');
});

test('a deployment has failed with one workload, unless that is tried again and waited for', () => {
  for (const phase of ['refused', 'failed', 'unhealthy', 'stopped'] as const) {
    assert.equal(standing([phase, 'running'], true, false), 'failed');
    assert.equal(standing([phase, 'running'], true, true), 'coming');
    assert.equal(standing([phase, 'running'], false, true), 'failed');
  }
});
