import assert from 'node:assert/strict';
import { test } from 'node:test';

import type { EventPhase } from '@commongrid/model';
import { fakeId } from '@commongrid/model/testing';

import { standingOf } from './deploy-progress.ts';
import type { AwaitedWorkload, WorkloadEvent } from './deploy-progress.ts';

const node = fakeId.node(1);
const web = fakeId.workload(fakeId.contract(1), 'web', 0);
const data = fakeId.workload(fakeId.contract(1), 'data', 0);
const awaited: readonly AwaitedWorkload[] = [
  { workload: web, node, goal: 'healthy' },
  { workload: data, node, goal: 'running' },
];

function standing(phases: readonly EventPhase[], isRetryable: boolean, isPatient: boolean): string {
  const events = phases.map((phase, index): WorkloadEvent => {
    const workload = index === 0 ? web : data;
    return { node, workload, revision: 1, phase, at: 0, isRetryable };
  });
  const byWorkload = new Map(events.map((event) => [event.workload, event]));
  return standingOf(awaited, byWorkload, isPatient).is;
}

test('a deployment is there once each workload is as far as it has to be', () => {
  assert.equal(standing([], false, false), 'coming');
  assert.equal(standing(['healthy'], false, false), 'coming');
  assert.equal(standing(['running', 'running'], false, false), 'coming');
  assert.equal(standing(['healthy', 'running'], false, false), 'there');
});

test('a deployment has failed with one workload, unless that is tried again and waited for', () => {
  for (const phase of ['refused', 'failed', 'unhealthy', 'stopped'] as const) {
    assert.equal(standing([phase, 'running'], true, false), 'failed');
    assert.equal(standing([phase, 'running'], true, true), 'coming');
    assert.equal(standing([phase, 'running'], false, true), 'failed');
  }
});
