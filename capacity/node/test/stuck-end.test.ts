import assert from 'node:assert/strict';
import { mkdir, readFile, rmdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';

import { isGridError, waitFor } from '@commongrid/base';
import type { WorkloadId } from '@commongrid/model';
import { fakeId } from '@commongrid/model/testing';

import { isUp } from '../src/testing/index.ts';
import { shortIdOf } from '../src/index.ts';
import type { Assignment } from '../src/index.ts';
import { NodeTown, openPlanned } from './support/node-town.ts';

const deadline = { timeoutMs: 60_000, everyMs: 20 };

type Agent = Awaited<ReturnType<typeof openPlanned>>;

test('processes that SIGKILL does not end are told, and another tenant comes and goes meanwhile', async () => {
  await using town = await NodeTown.open();
  await using agent = await openPlanned(town.plan);
  const [stuck, other] = [assignmentOf(town, 1), assignmentOf(town, 2)];
  const isGone = ({ id }: Assignment) => agent.state.workload(id) === undefined;
  const order = (one: Assignment, is: 'running' | 'deleted'): void =>
    agent.reconciler.apply([
      is === 'running' ? { is, assignment: one } : { is, id: one.id, revision: 1 },
    ]);
  order(stuck, 'running');
  await until(agent, () => isUp(phaseOf(agent, stuck)), 'the first tenant');
  const isAtWork = async (): Promise<boolean> => {
    using log = await agent.machine.containers.readLog(stuck.key);
    return (await log.tail(1)).length > 0;
  };
  await waitFor(isAtWork, { ...deadline, what: 'its first line' });
  await using ice = await Ice.open(town.plan.prefix, stuck.key);
  order(stuck, 'deleted');
  const told = () =>
    agent.state.events(0, 1_000, stuck.id).find(({ code }) => code === 'NODE_CONTAINER_STUCK');
  await until(agent, () => told() !== undefined, 'word of what does not end');
  assert.equal(told()?.phase, 'failed');
  assert.equal(told()?.isRetryable, true);

  order(other, 'running');
  await until(agent, () => isUp(phaseOf(agent, other)), 'the second tenant');
  order(other, 'deleted');
  await until(agent, () => isGone(other), 'the end of the second tenant');
  assert.ok(!isGone(stuck));
  assert.equal((await ice.processes()).length, 1);

  await ice.thaw();
  await until(agent, () => isGone(stuck), 'the end of what was stuck');
  assert.deepEqual(await agent.machine.containers.list(), []);
});

/** The processes of a container, in a cgroup of their own that nobody else thaws. */
class Ice implements AsyncDisposable {
  readonly #path: string;

  private constructor(path: string) {
    this.#path = path;
  }

  static async open(prefix: string, key: string): Promise<Ice> {
    const container = join('/sys/fs/cgroup/freezer', `${prefix}.containers`, key);
    const path = join(container, 'ice');
    await mkdir(path);
    const pids = await readFile(join(container, 'cgroup.procs'), 'utf8');
    const ice = new Ice(path);
    for (const pid of pids.split('\n').filter(Boolean)) {
      await writeFile(join(path, 'cgroup.procs'), pid);
    }
    await ice.#become('FROZEN');
    return ice;
  }

  async processes(): Promise<readonly string[]> {
    const text = await readFile(join(this.#path, 'cgroup.procs'), 'utf8').catch(() => '');
    return text.split('\n').filter(Boolean);
  }

  thaw(): Promise<void> {
    return this.#become('THAWED');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.thaw().catch(() => {});
    await rmdir(this.#path).catch(() => {});
  }

  async #become(state: 'FROZEN' | 'THAWED'): Promise<void> {
    const file = join(this.#path, 'freezer.state');
    await writeFile(file, state);
    const isSo = async (): Promise<boolean> =>
      (await readFile(file, 'utf8').catch(() => state)).trim() === state;
    await waitFor(isSo, { ...deadline, what: state });
  }
}

/** A container of a tenant who has no records here. */
function assignmentOf(town: NodeTown, tenant: number): Assignment {
  const contract = fakeId.contract(tenant);
  const id = `${contract}/web/0` as WorkloadId;
  return {
    ...{ id, key: shortIdOf(id), revision: 1, contract, tenant: fakeId.bot(tenant), replica: 0 },
    ...{
      role: town.role('web', 'echo at work; exec sleep 1000'),
      addresses: [],
      secrets: new Map(),
    },
    isElevated: false,
  };
}

function phaseOf(agent: Agent, { id }: Assignment): string | undefined {
  return agent.state.workload(id)?.phase;
}

async function until(agent: Agent, isSo: () => boolean, what: string): Promise<void> {
  try {
    await waitFor(isSo, { ...deadline, what });
  } catch (error) {
    if (isGridError(error, 'BASE_TIMEOUT')) console.log(agent.state.newestEvents(20));
    throw error;
  }
}
