import assert from 'node:assert/strict';
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';

import { askControl, isGridError, waitFor } from '@commongrid/base';
import { controlPathOf } from '@commongrid/flist';
import type { MountRecord } from '@commongrid/flist';
import type { WorkloadId } from '@commongrid/model';

import { shortIdOf } from '../src/index.ts';
import { NodeTown, openPlanned } from './support/node-town.ts';

const deadline = { timeoutMs: 60_000, everyMs: 20 };

type Agent = Awaited<ReturnType<typeof openPlanned>>;

/** Changes the image for itself: a line more in a file, another owner of one, a program less. */
const line = `if [ ! -e /data/starts ]; then
  echo ada:x:7:8::/:/bin/sh >> /etc/passwd; chown 7:8 /etc/group; rm /bin/rev
fi
echo start >> /data/starts
exec sleep 1000`;

test('images served by FUSE alone run containers, and what these wrote outlives the way of serving', async () => {
  await using town = await NodeTown.open(undefined, { imageMode: 'tree' });
  await using first = await openPlanned(town.plan);
  const roles = [
    town.role('writer', line),
    town.role('reader', 'exec sleep 1000', { container: { user: '1000:1000' } }),
  ];
  const workloads = await town.deploy(town.draft(roles));
  const [writer, reader] = ['writer', 'reader'].map((role) => workloads.get(role));
  assert.ok(writer !== undefined && reader !== undefined);
  const images = controlPathOf(join(town.plan.folder, 'machine/images'));
  await started(first, writer, 1);
  await waitFor(async () => (await printed(first, reader, 'id', '-u')) === '1000\n', {
    ...{ ...deadline, what: 'the reader' },
  });
  assert.deepEqual(await modes(images), ['tree', 'tree']);
  await assertKept(first, town, writer, reader);

  // The image service alone: what it shows goes on, and names that nobody asked for are there.
  const pids = await Promise.all([writer, reader].map((id) => pidOf(town, id)));
  const service = await serviceOf(images);
  process.kill(service.pid, 'SIGKILL');
  const isNext = async (): Promise<boolean> => (await serviceOf(images)).pid !== service.pid;
  await waitFor(() => isNext().catch(absent), { ...deadline, what: 'another service' });
  assert.equal(await printed(first, reader, 'head', '-n', '1', '/etc/group'), 'root:x:0:\n');
  assert.deepEqual(await Promise.all([writer, reader].map((id) => pidOf(town, id))), pids);

  // With what holds the mounts all files are gone: both are made anew, and in the same way.
  const next = await serviceOf(images);
  for (const pid of [await parentOf(next.pid), next.pid]) process.kill(pid, 'SIGKILL');
  await started(first, writer, 2);
  const isBack = (): boolean =>
    first.state.events(0, 1_000, reader).some(({ phase }) => phase === 'failed') &&
    first.state.workload(reader)?.phase === 'healthy';
  await waitFor(isBack, { ...deadline, what: 'the reader again' });
  assert.deepEqual(await modes(images), ['tree', 'tree']);
  await assertKept(first, town, writer, reader);

  // The machine begins anew, as with another kernel: a trial says how images are shown.
  await first.reconciler.close();
  await first.machine.leave({ signal: new AbortController().signal, progress: () => {} });
  await first.close();
  await using second = await openPlanned({ ...town.plan, imageMode: undefined });
  await started(second, writer, 3);
  await waitFor(async () => (await printed(second, reader, 'id', '-u')) === '1000\n', {
    ...{ ...deadline, what: 'the reader' },
  });
  const { isOverlayUsable } = (await serviceOf(images)).probe;
  assert.deepEqual(await modes(images), Array(2).fill(isOverlayUsable ? 'overlay' : 'tree'));
  await assertKept(second, town, writer, reader);
});

/** What the writer did to its image is there for it, by the ids of its user namespace, and for nobody else. */
async function assertKept(
  agent: Agent,
  town: NodeTown,
  writer: WorkloadId,
  reader: WorkloadId,
): Promise<void> {
  const root = 'root:x:0:0::/root:/bin/sh\n';
  const passwd = ['cat', '/etc/passwd'];
  assert.equal(await printed(agent, writer, ...passwd), `${root}ada:x:7:8::/:/bin/sh\n`);
  assert.equal(await printed(agent, reader, ...passwd), root);
  assert.equal(await printed(agent, writer, 'cat', '/etc/group'), 'root:x:0:\n');
  const owners = ['stat', '-c', '%u:%g', '/etc/passwd', '/etc/group'];
  assert.equal(await printed(agent, writer, ...owners), '0:0\n7:8\n');
  assert.equal(await printed(agent, reader, ...owners), '0:0\n0:0\n');
  assert.equal(await printed(agent, writer, 'ls', '/bin/rev', '/bin/tac'), '/bin/tac\n');
  const map = await readFile(`/proc/${await pidOf(town, writer)}/uid_map`, 'utf8');
  const start = Number(map.trim().split(/\s+/)[1]);
  const onMachine = async (id: WorkloadId, path: string): Promise<readonly number[]> => {
    const { uid, gid } = await stat(join(rootOf(town, id), path));
    return [uid - start, gid - start];
  };
  assert.deepEqual(await onMachine(writer, 'etc/group'), [7, 8]);
  assert.deepEqual(await onMachine(reader, 'etc/group'), [0, 0]);
  assert.deepEqual(await onMachine(reader, 'bin/busybox'), [0, 0]);
}

async function started(agent: Agent, id: WorkloadId, count: number): Promise<void> {
  const lines = 'start\n'.repeat(count);
  const isSo = async (): Promise<boolean> =>
    (await printed(agent, id, 'cat', '/data/starts')) === lines;
  try {
    await waitFor(isSo, { ...deadline, what: `start ${count}` });
  } catch (error) {
    console.log(agent.state.newestEvents(20));
    throw error;
  }
}

/** What a command in a container prints; nothing where there is none that runs. */
async function printed(agent: Agent, id: WorkloadId, ...command: string[]): Promise<string> {
  try {
    const program = await agent.machine.containers.exec(shortIdOf(id), command, undefined);
    program.stdin.end();
    program.stderr.resume();
    const said = text(program.stdout);
    await program.exited;
    return await said;
  } catch (error) {
    if (isGridError(error)) return '';
    throw error;
  }
}

interface ImageServiceStatus {
  readonly pid: number;
  readonly probe: { readonly isOverlayUsable: boolean };
}

async function serviceOf(images: string): Promise<ImageServiceStatus> {
  return (await askControl(images, 'status', {}, { timeoutMs: 10_000 })) as ImageServiceStatus;
}

/** How each image is shown. */
async function modes(images: string): Promise<readonly string[]> {
  const mounts = (await askControl(images, 'list')) as readonly MountRecord[];
  return mounts.map(({ mode }) => mode);
}

function absent(error: unknown): false {
  if (isGridError(error)) return false;
  throw error;
}

function rootOf({ plan }: NodeTown, id: WorkloadId): string {
  return `/run/commongrid-${plan.prefix}.roots/${shortIdOf(id)}`;
}

/** First process of a container. */
async function pidOf({ plan }: NodeTown, id: WorkloadId): Promise<number> {
  return Number(await readFile(join(plan.folder, 'machine/bundles', shortIdOf(id), 'pid'), 'utf8'));
}

async function parentOf(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  return Number(/^PPid:\s+(\d+)$/m.exec(status)?.[1]);
}
