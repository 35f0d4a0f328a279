import assert from 'node:assert/strict';
import { test } from 'node:test';

import { waitFor } from '@commongrid/base';
import { ManualClock, tempFolder } from '@commongrid/base/testing';
import { fakeId } from '@commongrid/model/testing';

import { steadyMs } from '../src/health/unprobed.ts';
import type { Assignment } from '../src/index.ts';
import { shortIdOf } from '../src/index.ts';
import { NodeState } from '../src/reconcile/node-state.ts';
import { Reconciler } from '../src/reconcile/reconciler.ts';
import { isUp, PaperDriver, PaperMachine } from '../src/testing/index.ts';
import { zdbAssignment } from './support/zdb-place.ts';

const deadline = { timeoutMs: 60_000, what: 'the workloads' };
const gib = 2 ** 30;
const capacity = {
  ...{ cpuMilli: 4_000, memoryBytes: 4 * gib, ssdBytes: 100 * gib, hddBytes: 0 },
  pids: 1_000,
};
/** A workload of contract 1 that nobody probes. */
function assignmentOf(
  kind: 'container' | 'zdb',
  name: string,
  after: string[] = [],
  policy: 'always' | 'never' = 'always',
): Assignment {
  const { role, ...rest } = zdbAssignment();
  const { health: _health, workload: _workload, ...usual } = role;
  const contract = fakeId.contract(1);
  const id = fakeId.workload(contract, name, 0);
  const restart = { policy, delayMs: 100, delayMaxMs: 100 };
  const resources = { cpuMilli: 100, memoryBytes: 0, ssdBytes: 0, hddBytes: 0, ipv4: 0 };
  return {
    ...{ ...rest, id, key: shortIdOf(id), contract, replica: 0 },
    role: { ...usual, name, after, resources, restart, workload: { kind } },
  };
}

/** @param nowMs default: earlier than this machine dates runs by its own clock, so that none is of long ago */
async function openNode(nowMs = 1_700_000_000_000) {
  const folder = await tempFolder('unprobed');
  const state = NodeState.open(folder.path);
  const clock = new ManualClock(nowMs);
  const machine = new PaperMachine();
  const driver = new PaperDriver(machine);
  const drivers = new Map([
    ['container' as const, driver],
    ['zdb' as const, driver],
  ]);
  const open = () => new Reconciler({ state, drivers, capacity, clock });
  let reconciler = open();
  return {
    ...{ state, clock, machine, driver },
    apply: (all: readonly Assignment[]) =>
      reconciler.apply(all.map((assignment) => ({ is: 'running', assignment }))),
    isSettled: () => reconciler.workloads().every((one) => one.isSettled),
    restart: async () => {
      await reconciler.close();
      reconciler = open();
    },
    phase: ({ id }: Assignment) => state.workload(id)?.phase,
    phases: ({ id }: Assignment) => state.events(0, 1_000, id).map(({ phase }) => phase),
    [Symbol.asyncDispose]: async () => {
      await reconciler.close();
      state.close();
      await folder[Symbol.asyncDispose]();
    },
  };
}

test('a process that nobody probes is healthy once it ran for a while without ending, and is told so once', async () => {
  await using f = await openNode();
  const [web, late] = [
    assignmentOf('container', 'web'),
    assignmentOf('container', 'late', ['web']),
  ];
  const starts = () => f.machine.calls.filter((call) => call === `start ${web.key}`).length;
  // When the node begins to count nobody outside knows: not before it started.
  const inTime = (isSo: () => boolean) => async (): Promise<boolean> => {
    await f.clock.advance(100);
    return isSo();
  };
  f.apply([web, late]);
  for (const run of [1, 2]) {
    await waitFor(() => starts() === run && f.phase(web) === 'running', deadline);
    await f.clock.advance(steadyMs - 1);
    assert.equal(f.phase(web), 'running');
    assert.equal(f.phase(late), 'accepted', 'who comes after it waits');
    if (run === 1) f.driver.end(web.key, 1);
  }
  await waitFor(
    inTime(() => f.phase(late) === 'healthy'),
    deadline,
  );
  assert.equal(f.phase(web), 'healthy');
  const told = f.phases(web);
  await f.restart();
  f.apply([web, late]);
  await waitFor(f.isSettled, deadline);
  assert.deepEqual(f.phases(web), told);
  assert.equal(told.filter((phase) => phase === 'healthy').length, 1);
});

test('what has no process is healthy as soon as it is there', async () => {
  await using f = await openNode();
  const shard = assignmentOf('zdb', 'shard');
  f.apply([shard]);
  await waitFor(() => f.phase(shard) === 'healthy', deadline);
  assert.deepEqual(f.phases(shard), ['accepted', 'preparing', 'starting', 'healthy']);
});

test('what this process has started is steady by the clock that does not jump', async () => {
  // To its wall clock each run began an hour ago.
  await using f = await openNode(Date.now() + 3_600_000);
  const web = assignmentOf('container', 'web');
  f.apply([web]);
  await waitFor(() => isUp(f.phase(web)) && f.isSettled(), deadline);
  await f.clock.advance(steadyMs - 1);
  assert.equal(f.phase(web), 'running');
  await f.clock.advance(1);
  await waitFor(() => f.phase(web) === 'healthy', deadline);
});

test('what comes after a task that is done starts, also under the next agent, and not after one that failed', async () => {
  await using f = await openNode();
  const [done, failed] = ['done', 'failed'].map((name) =>
    assignmentOf('container', name, [], 'never'),
  );
  assert.ok(done !== undefined && failed !== undefined);
  const [web, late] = ['web', 'late'].map((name) => assignmentOf('container', name, ['done']));
  assert.ok(web !== undefined && late !== undefined);
  const never = assignmentOf('container', 'never', ['failed']);
  f.apply([done, failed, web, never]);
  await waitFor(() => f.phase(done) === 'running' && f.phase(failed) === 'running', deadline);
  assert.equal(f.phase(web), 'accepted');
  f.driver.end(done.key, 0);
  f.driver.end(failed.key, 1);
  await waitFor(() => isUp(f.phase(web)) && f.phase(failed) === 'failed', deadline);
  await f.restart();
  f.apply([done, failed, web, never, late]);
  await waitFor(() => isUp(f.phase(late)) && f.isSettled(), deadline);
  assert.equal(f.phase(done), 'stopped');
  assert.equal(f.phase(never), 'accepted');
});

test('what ran for long under another agent is healthy at the first look', async () => {
  await using f = await openNode();
  const web = assignmentOf('container', 'web');
  f.apply([web]);
  await waitFor(() => f.phase(web) === 'running' && f.isSettled(), deadline);
  await f.restart();
  // No timer ends meanwhile: only the start of the run counts.
  f.machine.of(web.key).state = { state: 'running', sinceMs: f.clock.nowMs() - steadyMs };
  f.apply([web]);
  await waitFor(() => f.phase(web) === 'healthy', deadline);
});
