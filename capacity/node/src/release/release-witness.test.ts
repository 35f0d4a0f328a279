import assert from 'node:assert/strict';
import { test } from 'node:test';

import { fakeId } from '@commongrid/model/testing';

import type { Driver, Observation } from '../driver.ts';
import type { NumberedEvent } from '../reconcile/node-state.ts';
import type { WorkloadStatus } from '../reconcile/reconciler.ts';
import { compareWitness, takeWitness } from './release-witness.ts';
import type { WitnessedNode } from './release-witness.ts';

const id = fakeId.workload(fakeId.contract(1), 'web', 0);
const running: Observation = { state: 'running', sinceMs: 50_000 };
const { signal } = new AbortController();

interface Scene {
  readonly status?: Partial<WorkloadStatus>;
  readonly revision?: number;
  readonly seen?: Observation;
  readonly events?: readonly Pick<NumberedEvent, 'phase' | 'code'>[];
  readonly isGone?: boolean;
}

/** A node with one container, as a driver sees it and as its state has it. */
function nodeOf({ status, revision = 1, seen = running, events = [], isGone = false }: Scene) {
  const known = { id, key: 'key', revision, role: { workload: { kind: 'container' } } };
  const row = { known, wish: 'running', isSettled: true, ...status } as unknown as WorkloadStatus;
  const kept = events.map((event, at) => ({ ...event, workload: id, revision, at, seq: 8 + at }));
  const driver: Pick<Driver, 'observe'> = { observe: async () => seen };
  return {
    state: {
      workloads: () => [],
      workload: () => undefined,
      newestEvents: () => [{ phase: 'running', revision, at: 0, seq: 7 }],
      events: (after: number) => kept.filter(({ seq }) => seq > after),
    },
    reconciler: { workloads: () => (isGone ? [] : [row]) },
    machine: { drivers: new Map([['container', driver as Driver]]) },
  } as const satisfies WitnessedNode;
}

async function compared(scene: Scene): Promise<string> {
  const witness = await takeWitness(nodeOf({}), signal);
  assert.deepEqual([witness.seq, witness.workloads.length], [7, 1]);
  return (await compareWitness(nodeOf(scene), witness, signal))?.is ?? 'same';
}

test('what runs on as it was is the same, and before it was looked at nobody knows', async () => {
  assert.equal(await compared({}), 'same');
  assert.equal(await compared({ seen: { state: 'running', sinceMs: 50_900 } }), 'same');
  assert.equal(await compared({ status: { wish: undefined } }), 'wait');
  assert.equal(await compared({ status: { isSettled: false } }), 'wait');
});

test('what the agent touched has changed', async () => {
  assert.equal(await compared({ seen: { state: 'running', sinceMs: 90_000 } }), 'changed');
  assert.equal(await compared({ seen: { state: 'absent' } }), 'changed');
  assert.equal(await compared({ isGone: true }), 'changed');
  for (const phase of ['preparing', 'starting', 'stopping'] as const) {
    assert.equal(await compared({ events: [{ phase }] }), 'changed');
  }
});

test('what records wanted, and what ended by itself, is not held against the agent', async () => {
  assert.equal(
    await compared({ status: { wish: 'stopped' }, seen: { state: 'prepared' } }),
    'same',
  );
  assert.equal(await compared({ revision: 2, seen: { state: 'absent' } }), 'same');
  assert.equal(await compared({ isGone: true, events: [{ phase: 'deleted' }] }), 'same');
  for (const code of ['NODE_ENDED', 'NODE_OUT_OF_MEMORY', 'NODE_IMAGE_LOST']) {
    const events = [{ phase: 'failed', code }, { phase: 'starting' }] as const;
    assert.equal(await compared({ events, seen: { state: 'running', sinceMs: 90_000 } }), 'same');
  }
});

test('what did not run, or had lost something, is not witnessed', async () => {
  const scenes: readonly Scene[] = [
    ...[{ seen: { state: 'prepared' } as const }, { status: { isSettled: false } }],
    { seen: { state: 'running', sinceMs: 1, lost: 'image' } },
  ];
  for (const scene of scenes) {
    assert.deepEqual((await takeWitness(nodeOf(scene), signal)).workloads, []);
  }
});
