import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';

import { askControl, isGridError, runProgram, waitFor, withTimeout } from '@commongrid/base';
import { tempFolder } from '@commongrid/base/testing';
import {
  controlPathOf,
  createFromFolder,
  encodeFlist,
  flistDigestOf,
  FlistRepository,
  packFlist,
} from '@commongrid/flist';
import type { ContractRole, WorkloadId } from '@commongrid/model';

import { isUp } from '../src/testing/index.ts';
import { NodeTown, openPlanned } from './support/node-town.ts';
import { SlowHub } from './support/slow-hub.ts';

const deadline = { timeoutMs: 60_000, everyMs: 10 };

type Agent = Awaited<ReturnType<typeof openPlanned>>;

test('a slow image is told of and runs, and those that never come hold up nobody else', async () => {
  await using town = await NodeTown.open();
  await using hub = await SlowHub.open(town.plan.hub);
  await using agent = await openPlanned({ ...town.plan, hub: hub.url });
  const { absent, hollow, slow } = await makeImages(hub);
  const roleOf = (name: string, flist: string): ContractRole => {
    const role = town.role(name, 'exec sleep 1000', { container: { flist: flist as never } });
    return { ...role, resources: { ...role.resources, cpuMilli: 100 } };
  };
  const deploy = async (...roles: readonly ContractRole[]): Promise<readonly WorkloadId[]> => [
    ...(await town.deploy(town.draft(roles))).values(),
  ];
  const are = (ids: readonly WorkloadId[], phase: string): boolean =>
    ids.every((id) => {
      const is = agent.state.workload(id)?.phase;
      return phase === 'up' ? isUp(is) : is === phase;
    });
  const first = await deploy(roleOf('first', town.image));
  await until(agent, () => are(first, 'up'), 'the first one');
  const service = controlPathOf(join(town.plan.folder, 'machine/images'));
  await askControl(service, 'prefetch', { digest: town.image, whole: true });

  hub.paceOf = (path) => (path.includes(slow) ? { bytesPerSecond: 50_000 } : 'usual');
  const seen: number[] = [];
  const [long] = await deploy(roleOf('long', slow));
  const isLongRunning = (): boolean => {
    const { progress, phase } =
      agent.reconciler.workloads().find(({ known }) => known.id === long) ?? {};
    if (phase === 'pulling' && progress !== undefined && progress.totalBytes > 0) {
      seen.push(progress.doneBytes);
    }
    return isUp(phase);
  };
  await until(agent, isLongRunning, 'the slow one');
  assert.ok(new Set(seen).size > 5, `progress: ${seen.join()}`);
  assert.deepEqual(
    seen,
    seen.toSorted((one, next) => one - next),
  );
  const phases = agent.state.events(0, 100, long).map(({ phase }) => phase);
  assert.deepEqual(phases.slice(0, 5), [
    ...['accepted', 'preparing', 'pulling', 'starting', 'running'],
  ]);

  hub.paceOf = (path) => (path.includes(absent) || path.includes('chunk') ? 'stalled' : 'usual');
  // Of some the list of files does not come, of others what is in them: more than this process has threads.
  const names = ['absent', 'hollow-1', 'hollow-2', 'hollow-3', 'hollow-4', 'hollow-5'];
  const stuck = await deploy(
    ...names.map((name) => roleOf(name, name === 'absent' ? absent : hollow)),
  );
  const isAsked = (word: string): boolean => [...hub.stalled].some((path) => path.includes(word));
  await until(agent, () => isAsked(absent) && isAsked('chunk'), 'the hub to be asked');
  const other = await deploy(roleOf('other', town.image));
  await until(agent, () => are(other, 'up'), 'the other one');
  const isOver = (id: WorkloadId): boolean =>
    ['failed', 'running', 'healthy'].includes(agent.state.workload(id)?.phase ?? '');
  assert.ok(!stuck.some(isOver), 'the others still wait');
  // Long before what is stuck would be given up.
  await withTimeout(() => agent.close(), { ...deadline, what: 'what is stuck to let go' });
});

/** Images of which the hub of the town knows nothing, but what `slow` has in its files. */
async function makeImages(hub: SlowHub) {
  await using folder = await tempFolder('images');
  await using repository = await FlistRepository.open({ folder: join(folder.path, 'repository') });
  const make = async (name: string, passwd: string, words: number): Promise<string> => {
    const root = join(folder.path, name);
    for (const one of ['bin', 'dev', 'etc', 'proc', 'run', 'sys', 'tmp', 'words']) {
      await mkdir(join(root, one), { recursive: true });
    }
    await runProgram('cp', ['/bin/busybox', join(root, 'bin/sh')]);
    await writeFile(join(root, 'etc/passwd'), passwd);
    // Words that do not pack make the list of files long.
    for (let index = 0; index < words; index++) {
      await symlink(randomBytes(1_500).toString('hex'), join(root, 'words', String(index)));
    }
    const { flist } = await createFromFolder(root, repository);
    const bytes = encodeFlist(flist);
    const digest = flistDigestOf(bytes);
    hub.flists.set(digest, await packFlist(bytes));
    return digest;
  };
  return {
    absent: await make('absent', 'root:x:0:0::/absent:/bin/sh\n', 1),
    hollow: await make('hollow', 'root:x:0:0::/hollow:/bin/sh\n', 1),
    slow: await make('slow', 'root:x:0:0::/root:/bin/sh\n', 50),
  };
}

async function until(agent: Agent, isSo: () => boolean, what: string): Promise<void> {
  try {
    await waitFor(isSo, { ...deadline, what });
  } catch (error) {
    if (isGridError(error, 'BASE_TIMEOUT')) console.log(agent.state.newestEvents(20));
    throw error;
  }
}
