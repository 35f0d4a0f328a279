import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';

import { errorCode, isGridError, waitFor } from '@commongrid/base';
import type { ContractRole, WorkloadId } from '@commongrid/model';

import type { NumberedEvent } from '../src/index.ts';
import { shortIdOf } from '../src/index.ts';
import { isUp } from '../src/testing/index.ts';
import { NodeTown, openPlanned } from './support/node-town.ts';

const deadline = { timeoutMs: 60_000, everyMs: 20 };

type Agent = Awaited<ReturnType<typeof openPlanned>>;

const policies = ['always', 'on-failure', 'never'] as const;

test('what loses its conmon, its image or a runc is healed by its policy, and told', async () => {
  await using town = await NodeTown.open();
  await using agent = await openPlanned(town.plan);
  const volumes = [{ role: 'disk', path: '/data', isReadOnly: false }];
  const roles = policies.map((policy): ContractRole => {
    const line = `echo start >> /data/${policy}; exec sleep 1000`;
    const restart = { policy, delayMs: 100, delayMaxMs: 100 };
    return town.role(policy, line, { container: { volumes }, restart });
  });
  const workloads = await town.deploy(town.draft([town.volume('disk'), ...roles]));
  const idOf = (role: string): WorkloadId => {
    const id = workloads.get(role);
    assert.ok(id !== undefined);
    return id;
  };
  const ids = policies.map(idOf);
  const starts = async (policy: string): Promise<number> => {
    const disk = `machine/volumes/pool/v-${shortIdOf(idOf('disk'))}`;
    const text = await readFile(join(town.plan.folder, disk, policy), 'utf8').catch(() => '');
    return text.split('\n').length - 1;
  };
  const haveStarted = async (counts: readonly number[]): Promise<void> => {
    const areThere = async () =>
      (await Promise.all(policies.map(starts))).join() === counts.join() && areSettled(agent, ids);
    await until(agent, areThere, `starts ${counts.join()}`);
  };
  await haveStarted([1, 1, 1]);

  // Each conmon.
  for (const id of ids) (await processesWith('--cid', shortIdOf(id))).forEach(kill);
  await until(agent, () => ids.every((id) => told(agent, id, 'NODE_SUPERVISOR_LOST')), 'news');
  await haveStarted([2, 2, 1]);
  for (const id of ids) assert.equal((await sleepers(town, id)).length, 1, 'one runs, not two');
  const counted = ids.map((id) => told(agent, id, 'NODE_SUPERVISOR_LOST')?.phase);
  assert.deepEqual(counted, ['failed', 'failed', 'healthy']);

  // The image service alone: what holds its mounts starts another one, and nobody notices.
  const bundleOf = (id: WorkloadId): string =>
    join(town.plan.folder, 'machine/bundles', shortIdOf(id));
  const images = join(town.plan.folder, 'machine/images');
  const before = agent.state.newestEvents(1)[0]?.seq;
  const services = await processesWith(images);
  assert.equal(services.length, 2, 'a holder and its service');
  kill(Math.max(...services));
  await until(agent, async () => (await processesWith(images)).length === 2, 'a service');
  assert.equal(agent.state.newestEvents(1)[0]?.seq, before);

  // Both of them: the files of what runs are lost. One that runs on without a conmon ends meanwhile.
  (await sleepers(town, idOf('never'))).forEach(kill);
  (await processesWith(images)).forEach(kill);
  const [always, onFailure] = [idOf('always'), idOf('on-failure')];
  const areNews = () => [always, onFailure].every((id) => told(agent, id, 'NODE_IMAGE_LOST'));
  await until(agent, areNews, 'news of the image');
  const areBack = async (): Promise<boolean> => {
    const counts = await Promise.all(policies.map(starts));
    return areSettled(agent, [always, onFailure]) && counts.join() === '3,3,1';
  };
  await until(agent, areBack, 'what lost its image');
  assert.equal(told(agent, idOf('never'), 'NODE_ENDED')?.phase, 'failed');

  // runc, while it makes a container.
  const isFailed = (): boolean => told(agent, always, 'NODE_CONTAINER_FAILED') !== undefined;
  const hunt = async (): Promise<boolean> => {
    // Its turn is short: whenever it was missed the container is made once more.
    if (isUp(agent.state.workload(always)?.phase)) (await sleepers(town, always)).forEach(kill);
    (await processesWith('create', bundleOf(always))).forEach(kill);
    return isFailed();
  };
  await until(agent, hunt, 'runc to be killed', 1);
  await until(agent, () => areSettled(agent, [always, onFailure]), 'what runc did not make');
  assert.equal((await sleepers(town, always)).length, 1);
  assert.deepEqual(await agent.reconciler.orphans(new AbortController().signal), []);
});

function told(agent: Agent, id: WorkloadId, code: string): NumberedEvent | undefined {
  return agent.state.events(0, 1_000, id).find((event) => event.code === code);
}

/** Nothing more is told of them unless something happens. */
function areSettled(agent: Agent, ids: readonly WorkloadId[]): boolean {
  return ids.every((id) => agent.state.workload(id)?.phase === 'healthy');
}

async function until(
  agent: Agent,
  isSo: () => boolean | Promise<boolean>,
  what: string,
  everyMs = 20,
): Promise<void> {
  try {
    await waitFor(isSo, { ...deadline, what, everyMs });
  } catch (error) {
    if (isGridError(error, 'BASE_TIMEOUT')) console.log(agent.state.newestEvents(20));
    throw error;
  }
}

/** First processes of a container. */
async function sleepers(town: NodeTown, id: WorkloadId): Promise<readonly number[]> {
  const { prefix } = town.plan;
  const path = `/sys/fs/cgroup/pids/${prefix}.containers/${shortIdOf(id)}/cgroup.procs`;
  const text = await readFile(path, 'utf8').catch(() => '');
  return text.split('\n').filter(Boolean).map(Number);
}

/** Processes whose command line has all of these words. */
async function processesWith(...words: readonly string[]): Promise<readonly number[]> {
  const found: number[] = [];
  for (const pid of await readdir('/proc')) {
    if (!/^\d+$/.test(pid)) continue;
    const line = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
    if (words.every((word) => line.split('\0').includes(word))) found.push(Number(pid));
  }
  return found;
}

/** It may have ended by itself. */
function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if (errorCode(error) !== 'ESRCH') throw error;
  }
}
