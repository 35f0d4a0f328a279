import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { randomBytes, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';

import { waitFor } from '@commongrid/base';

import { root, run, tempFolder, TestGrid } from './grid-process.ts';

interface Up {
  readonly services: Record<string, { readonly pid: number | null }>;
  readonly node: { readonly lack: string | null };
}

interface Status {
  readonly name: string;
  readonly standing: string;
}

interface Events {
  readonly events: readonly { readonly phase: string; readonly code: string | null }[];
}

const deadline = { timeoutMs: 60_000, everyMs: 200 };

test('a copy of a node’s disk that boots elsewhere starts nothing, and what runs goes on', async () => {
  await using grid = await TestGrid.open({ hasNode: true });
  const up = await grid.json<Up>('up', '--port-base', '0');
  assert.equal(up.node.lack, null);
  await grid.json('deploy', await deploymentOf(grid, 'first'));
  const pid = up.services['node']?.pid ?? 0;
  const prefix = /--prefix=([a-z0-9]+)/.exec(await readFile(`/proc/${pid}/cmdline`, 'utf8'))?.[1];
  assert.ok(prefix !== undefined);
  const running = await processesOf(prefix);
  assert.equal(running.length, 1);

  await using twin = await Twin.open(grid, pid);
  const standing = async (...words: string[]): Promise<string> => {
    const { status, stdout } = await grid.run('node', 'status', ...words, '--json');
    return status === 0 ? (JSON.parse(stdout) as Status).standing : 'absent';
  };
  const areCloned = async (): Promise<boolean> =>
    (await standing()) === 'cloned' && (await standing('--data', twin.folder)) === 'cloned';
  await waitFor(areCloned, { ...deadline, what: 'both to be clones' });
  // Longer than a boot waits for objections.
  const isRefused = async (): Promise<boolean> => {
    const { events } = await grid.json<Events>('events', '--data', twin.folder);
    return events.some(({ phase, code }) => phase === 'refused' && code === 'NODE_CLONED');
  };
  await waitFor(isRefused, { ...deadline, what: 'a refusal by the copy' });
  assert.deepEqual(await processesOf(prefix), running);
  const late = await grid.run('deploy', await deploymentOf(grid, 'late'));
  assert.notEqual(late.status, 0);
  assert.deepEqual(await processesOf(prefix), running);
  assert.deepEqual(await processesOf(twin.prefix), []);

  // The farmer stops one of them, and takes the other again.
  const { name } = await grid.json<Status>('node', 'status');
  await twin.end();
  await grid.json('node', 'adopt', name);
  const isBack = async (): Promise<boolean> => (await standing()) === 'inService';
  await waitFor(isBack, { ...deadline, what: 'the node to be in service' });
  await grid.json('deploy', await deploymentOf(grid, 'next'));
  assert.equal((await processesOf(prefix)).length, 2);
  assert.ok((await processesOf(prefix)).includes(running[0] ?? ''));
});

/** A second machine with the disk of a node, but its volumes: another run of the kernel. */
class Twin implements AsyncDisposable {
  readonly folder: string;
  readonly prefix: string;
  readonly #stack: AsyncDisposableStack;
  readonly #child: ChildProcess;

  private constructor(
    folder: string,
    prefix: string,
    child: ChildProcess,
    stack: AsyncDisposableStack,
  ) {
    this.folder = folder;
    this.prefix = prefix;
    this.#child = child;
    this.#stack = stack;
  }

  static async open({ home }: TestGrid, pid: number): Promise<Twin> {
    await using stack = new AsyncDisposableStack();
    const { path } = stack.use(await tempFolder());
    const folder = join(path, 'node');
    const prefix = `u${randomBytes(1).toString('hex')}`;
    // No write is under way in what is copied.
    const agents = [pid, ...(await childrenOf(pid))];
    for (const one of agents) process.kill(one, 'SIGSTOP');
    try {
      const copy = `mkdir $2 && cd $1 && tar --exclude=./machine --exclude='*.sock' -c . | tar -xC $2`;
      const { status, stderr } = await run('sh', ['-c', copy, 'sh', join(home, 'node'), folder]);
      assert.equal(status, 0, stderr);
    } finally {
      for (const one of agents) process.kill(one, 'SIGCONT');
    }
    const bootFile = join(path, 'boot-id');
    await writeFile(bootFile, `${randomUUID()}\n`);
    const start = [
      'node',
      'start',
      '--data',
      folder,
      '--prefix',
      prefix,
      '--volume-size',
      '256MiB',
    ];
    const script = `mount --bind "$1" /proc/sys/kernel/random/boot_id && shift && exec "$@"`;
    const words = ['--mount', 'sh', '-c', script, 'sh', bootFile, join(root, 'grid'), ...start];
    const child = spawn('unshare', words, {
      env: { ...process.env, GRID_HOME: home },
      stdio: 'ignore',
    });
    const open = new URL('../../runner/src/node/open-node.ts', import.meta.url);
    const leave = `const { takeOff } = await import('${open.href}'); await takeOff(${JSON.stringify({ folder, prefix })});`;
    stack.defer(async () => {
      const { status, stderr } = await run(process.execPath, ['--eval', leave]);
      assert.equal(status, 0, stderr);
    });
    stack.defer(() => ended(child));
    return new Twin(folder, prefix, child, stack.move());
  }

  end(): Promise<void> {
    return ended(this.#child);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#stack.disposeAsync();
  }
}

/** Whoever starts agents is not the agent. */
async function childrenOf(pid: number): Promise<readonly number[]> {
  const text = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8');
  return text.split(' ').filter(Boolean).map(Number);
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const over = once(child, 'exit');
  child.kill('SIGTERM');
  await over;
}

async function deploymentOf(grid: TestGrid, name: string): Promise<string> {
  const container = {
    ...{ image: 'base', entrypoint: ['sleep', '1000'], rootBytes: '32MiB' },
    stop: { signal: 'SIGKILL', graceSeconds: 1 },
  };
  const file = join(grid.home, 'node', `${name}.json`);
  const roles = [{ name, cpu: 0.1, memory: '32MiB', container }];
  await writeFile(file, JSON.stringify({ name, roles }));
  return file;
}

/** Numbers of the processes of all containers of a node. */
async function processesOf(prefix: string): Promise<readonly string[]> {
  const folder = join('/sys/fs/cgroup/pids', `${prefix}.containers`);
  const names = await readdir(folder, { withFileTypes: true }).catch(() => []);
  const lists = names
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => readFile(join(folder, name, 'cgroup.procs'), 'utf8').catch(() => ''));
  return (await Promise.all(lists)).flatMap((text) => text.split('\n').filter(Boolean)).toSorted();
}
