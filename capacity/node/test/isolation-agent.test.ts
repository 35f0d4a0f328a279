import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';

import { waitFor } from '@commongrid/base';
import type { WorkloadId } from '@commongrid/model';

import { runFolderOf } from '../src/container/container-runtime.ts';
import { shortIdOf } from '../src/short-id.ts';
import { Cgroups } from '../src/sys/cgroup.ts';
import { DeadlyNode } from './support/deadly-node.ts';
import { loseMachine } from './support/lose-machine.ts';
import { NodeTown } from './support/node-town.ts';

const within = { timeoutMs: 60_000, everyMs: 50 };
const aWhile = { replaceAfterMs: 15_000 };
const long = { replaceAfterMs: 600_000 };

/** A node with containers that stop when it is cut off, soon and late, and one that goes on. */
async function nodeWithWriters() {
  await using stack = new AsyncDisposableStack();
  const town = stack.use(await NodeTown.open());
  const node = stack.use(new DeadlyNode(town.plan));
  const begun = async (onIsolation: 'keep' | 'stop', heal: typeof long): Promise<WorkloadId> => {
    const role = town.role('web', 'exec sleep 1000');
    const draft = town.draft([{ ...role, onIsolation }], {}, heal);
    const id = (await town.deploy(draft)).get('web');
    assert.ok(id);
    return id;
  };
  const [writer, patient, keeper] = [
    await begun('stop', aWhile),
    await begun('stop', long),
    await begun('keep', aWhile),
  ];
  await node.start();
  await node.reach([writer, patient, keeper], 'up', 'at first');
  const cgroups = await Cgroups.open(`/${town.plan.prefix}.containers`);
  const processesOf = (id: WorkloadId) => cgroups.processes(shortIdOf(id));
  const heardFile = join(runFolderOf(town.plan.prefix), 'last-heard');
  const guardOf = async (id: WorkloadId) =>
    Number(await readFile(join(town.plan.folder, 'machine/bundles', shortIdOf(id), 'guard.pid')));
  const heardMs = async () => Number((await readFile(heardFile, 'utf8')).split(' ')[1]);
  const owned = stack.move();
  return {
    ...{ town, node, writer, patient, keeper, processesOf, guardOf, heardMs },
    /** Its program was started: before, runc waits in its place. */
    runs: (id: WorkloadId) =>
      waitFor(async () => (await programsIn(await processesOf(id))).includes('sleep'), {
        ...{ ...within, what: 'the writer to run again' },
      }),
    killed: (id: WorkloadId) =>
      waitFor(async () => (await processesOf(id)).length === 0, {
        ...{ ...within, what: 'the end of a single writer' },
      }),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

async function programsIn(pids: readonly number[]): Promise<readonly string[]> {
  const lines = pids.map((pid) => readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => ''));
  return (await Promise.all(lines)).map((line) => line.split('\0')[0] ?? '');
}

test('a single writer ends on a node whose agent alone is dead or hangs, and nothing else does', async () => {
  await using place = await nodeWithWriters();
  const { node, writer, patient, keeper, processesOf, guardOf, heardMs, killed, runs } = place;
  const before = await Promise.all([patient, keeper].map(processesOf));
  assert.ok(before.every((pids) => pids.length > 0));
  const others = async () => Promise.all([patient, keeper].map(processesOf));

  // One whose guard was killed gets another one while the agent lives.
  const guard = await guardOf(writer);
  process.kill(-guard, 'SIGKILL');
  const another = async () => (await guardOf(writer)) !== guard;
  await waitFor(another, { ...within, what: 'another guard' });

  await node.kill();
  await killed(writer);
  assert.deepEqual(await others(), before);

  // Of one that is started again in time the deadline moves on.
  const deadMs = await heardMs();
  await node.start();
  await waitFor(async () => (await heardMs()) > deadMs, { ...within, what: 'it to be heard' });
  await runs(writer);
  assert.deepEqual(await others(), before);

  node.signal('SIGSTOP');
  await killed(writer);
  assert.deepEqual(await others(), before);
  node.signal('SIGCONT');
  await runs(writer);
  assert.deepEqual(await others(), before);
});

test('a single writer is watched again after a reboot', async () => {
  await using place = await nodeWithWriters();
  const { town, node, writer, killed, runs, processesOf } = place;
  await node.kill();
  await loseMachine(town.plan);
  assert.deepEqual(await processesOf(writer), []);
  await node.start();
  await runs(writer);
  await node.kill();
  await killed(writer);
});
