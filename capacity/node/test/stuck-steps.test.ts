import assert from 'node:assert/strict';
import { test } from 'node:test';

import { waitFor } from '@commongrid/base';
import { ManualClock, tempFolder } from '@commongrid/base/testing';
import { fakeId } from '@commongrid/model/testing';

import type { Assignment } from '../src/index.ts';
import { shortIdOf } from '../src/index.ts';
import { NodeState } from '../src/reconcile/node-state.ts';
import { Reconciler } from '../src/reconcile/reconciler.ts';
import { isUp, PaperDriver, PaperMachine } from '../src/testing/index.ts';
import { zdbAssignment } from './support/zdb-place.ts';

const deadline = { timeoutMs: 60_000, what: 'the workloads' };
const gib = 2 ** 30;
const capacity = {
  ...{ cpuMilli: 100_000, memoryBytes: 100 * gib, ssdBytes: 100 * gib, hddBytes: 100 * gib },
  pids: 1_000,
};

/** A workload of the contract and tenant of a number. */
function assignmentOf(tenant: number, replica: number): Assignment {
  const contract = fakeId.contract(tenant);
  const id = fakeId.workload(contract, 'shard', replica);
  const resources = { cpuMilli: 1, memoryBytes: 0, ssdBytes: 0, hddBytes: 0, ipv4: 0 };
  const one = zdbAssignment();
  const { health: _health, ...usual } = one.role;
  const role = { ...usual, after: [], resources };
  const key = shortIdOf(id);
  return { ...one, id, key, contract, tenant: fakeId.bot(tenant), replica, role };
}

test('steps that do not even end when told to are stuck, and give their places to others', async () => {
  await using folder = await tempFolder('stuck');
  using state = NodeState.open(folder.path);
  const clock = new ManualClock(1_700_000_000_000);
  const machine = new PaperMachine();
  const driver = new PaperDriver(machine);
  const drivers = new Map([['zdb' as const, driver]]);
  await using reconciler = new Reconciler({ state, drivers, capacity, clock });
  // So many of one tenant may be under way, and one more.
  const stuck = Array.from({ length: 8 }, (_, replica) => assignmentOf(1, replica));
  const [late, other] = [assignmentOf(1, 8), assignmentOf(2, 0)];
  const hang = Promise.withResolvers<void>();
  await using _end = { [Symbol.asyncDispose]: async () => hang.resolve() };
  const keys = new Set(stuck.map(({ key }) => key));
  let toldCount = 0;
  driver.mischief = (call, key, signal) => {
    if (call !== 'prepare' || !keys.has(key)) return undefined;
    signal.addEventListener('abort', () => toldCount++);
    return hang.promise;
  };
  const phaseOf = ({ id }: Assignment) => state.workload(id)?.phase;
  const stuckCount = (): number => reconciler.workloads().filter(({ isStuck }) => isStuck).length;
  reconciler.apply(stuck.map((assignment) => ({ is: 'running', assignment })));
  await waitFor(() => stuck.every((one) => phaseOf(one) === 'preparing'), deadline);
  reconciler.apply([late, other].map((assignment) => ({ is: 'running', assignment })));
  await waitFor(() => isUp(phaseOf(other)), deadline);
  assert.ok(!machine.calls.includes(`prepare ${late.key}`), machine.calls.join());

  await clock.advance(59_000);
  assert.deepEqual([toldCount, stuckCount()], [0, 0]);
  await clock.advance(2_000);
  assert.deepEqual([toldCount, stuckCount()], [8, 0]);
  await clock.advance(9_000);
  assert.equal(stuckCount(), 8);
  await waitFor(() => isUp(phaseOf(late)), deadline);
  const codes = stuck.map(({ id }) => state.workload(id)?.code);
  assert.deepEqual(new Set(codes), new Set(['NODE_STEP_STUCK']));

  hang.resolve();
  // A step that ended too late failed: it is taken again.
  const areBack = async (): Promise<boolean> => {
    await clock.advance(1_000);
    return stuck.every((one) => isUp(phaseOf(one)));
  };
  await waitFor(areBack, deadline);
  assert.equal(stuckCount(), 0);
  assert.equal(machine.overlaps, 0);
});
