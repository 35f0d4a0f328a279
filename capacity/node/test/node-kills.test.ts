import assert from 'node:assert/strict';
import { test } from 'node:test';

import { seededRandom, waitFor } from '@commongrid/base';
import type { Random } from '@commongrid/base';
import type { ContractDraft, WorkloadId } from '@commongrid/model';

import { isUp } from '../src/testing/index.ts';
import { DeadlyNode } from './support/deadly-node.ts';
import type { DeadlyMoment } from './support/deadly-moment.ts';
import { remainsOf } from './support/node-remains.ts';
import { NodeTown } from './support/node-town.ts';

const killsCount = process.env['GRID_TEST_LONG'] === '1' ? 54 : 12;
const deadline = { timeoutMs: 60_000, everyMs: 20 };

const callsToRun = [
  ...['VolumeDriver.prepare', 'VolumeDriver.start'],
  ...['ContainerDriver.prepare', 'ContainerDriver.start'],
];
const callsToGo = [
  ...['ContainerDriver.stop', 'ContainerDriver.release', 'ContainerDriver.destroy'],
  ...['VolumeDriver.release', 'VolumeDriver.destroy'],
];

test('a node that is killed at any moment comes to what is wished, and leaks nothing', async () => {
  await using town = await NodeTown.open();
  await using node = new DeadlyNode(town.plan);
  await node.start();
  let idle: readonly string[] | undefined;
  let busy: readonly string[] | undefined;
  // Once while each contract is made true, once while it is taken away.
  for (let index = 0; index < killsCount / 2; index++) {
    const { toRun, toGo } = momentsOf(index);
    const { draft, web, disk } = workloadsOf(town);
    await node.dieAt(toRun, () => town.deploy(draft));
    await node.start();
    const afterRun = `after ${JSON.stringify(toRun)}`;
    await node.reach([web, disk], 'up', afterRun);
    const counted = async () => (await node.read(disk, 'starts').catch(() => '')) !== '';
    await waitFor(counted, { ...deadline, what: `a start ${afterRun}` });
    const there = await remainsOf(town.plan);
    assert.deepEqual(there, (busy ??= there), afterRun);
    assert.equal(await node.read(disk, 'starts'), 'start\n', afterRun);
    await node.dieAt(toGo, () => town.remove(draft, [web, disk]));
    await node.start();
    const afterGo = `after ${JSON.stringify(toGo)}`;
    await node.reach([web, disk], 'gone', afterGo);
    const left = await remainsOf(town.plan);
    assert.deepEqual(left, (idle ??= left), afterGo);
    for (const id of [web, disk]) checkStory(node, id, `${afterRun}, ${afterGo}`);
  }
  assert.deepEqual(
    idle?.filter((line) => line.includes('KEY')),
    [],
  );
  assert.ok(busy?.some((line) => line.includes('conmon')));
});

/** A role that notes each of its starts in its volume. */
function workloadsOf(town: NodeTown): {
  readonly draft: ContractDraft;
  readonly web: WorkloadId;
  readonly disk: WorkloadId;
} {
  const volumes = [{ role: 'disk', path: '/data', isReadOnly: false }];
  const line = 'echo start >> /data/starts; exec sleep 1000';
  const draft = town.draft([
    town.volume('disk', 16 * 2 ** 20),
    town.role('web', line, { container: { volumes } }),
  ]);
  const idOf = (role: string): WorkloadId => `${draft.id}/${role}/0` as WorkloadId;
  return { draft, web: idOf('web'), disk: idOf('disk') };
}

/** Each call in its turn; the moments in them are drawn. */
function momentsOf(index: number): { readonly toRun: DeadlyMoment; readonly toGo: DeadlyMoment } {
  const random = seededRandom(`node kills ${index}`);
  return { toRun: momentIn(callsToRun, index, random), toGo: momentIn(callsToGo, index, random) };
}

function momentIn(calls: readonly string[], turn: number, random: Random): DeadlyMoment {
  const call = calls[turn % calls.length] ?? '';
  const dice = random.int(0, 4);
  return { call, afterMs: dice === 0 ? 0 : dice === 1 ? 'end' : random.int(1, 80) };
}

/** What was told of a workload is whole: it ran, then it was deleted, and nothing ended by itself. */
function checkStory(node: DeadlyNode, id: WorkloadId, what: string): void {
  const events = node.events(id);
  const phases = events.map(({ phase }) => phase);
  const story = `${phases.join(' ')} ${what}`;
  assert.equal(phases[0], 'accepted', story);
  const runs = phases.filter(isUp);
  assert.ok(runs.length > 0 && new Set(runs).size === runs.length, story);
  assert.equal(phases.at(-1), 'deleted', story);
  assert.ok(!phases.includes('failed'), `${JSON.stringify(events)} ${what}`);
  assert.ok(phases.findLastIndex(isUp) < phases.indexOf('deleting'), story);
}
