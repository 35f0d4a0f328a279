import { randomBytes } from 'node:crypto';
import { chmod, mkdir, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

import { runProgram, waitFor } from '@commongrid/base';
import { tempFolder } from '@commongrid/base/testing';

import type { ContainerSpec } from '../../src/container/container-spec.ts';
import { ContainerRuntime, runFolderOf } from '../../src/container/container-runtime.ts';
import type { ContainerRuntimeOptions } from '../../src/container/container-runtime.ts';
import { shortIdOf } from '../../src/short-id.ts';

export const uidStart = 1_500_000_000;

/** A place to run containers in: a root of busybox, a network namespace, a runtime; all its own. */
export interface ContainerBed extends AsyncDisposable {
  readonly folder: string;
  readonly rootFolder: string;
  readonly prefix: string;
  readonly runtime: ContainerRuntime;
  readonly options: ContainerRuntimeOptions;
  /** The spec of a container that runs a line of shell. */
  specOf(name: string, line: string, changes?: Partial<ContainerSpec>): ContainerSpec;
  /** Runs a line of shell in a new container to its end, and gives what it prints. */
  run(
    line: string,
    changes?: Partial<ContainerSpec>,
  ): Promise<{ exitCode: number; output: string }>;
  /** Closes the runtime and opens another on the same folder. */
  reopen(): Promise<ContainerRuntime>;
}

export async function containerBed(): Promise<ContainerBed> {
  await using made = new AsyncDisposableStack();
  const { path: folder } = made.use(await tempFolder('containers'));
  await chmod(folder, 0o711);
  const prefix = `b${randomBytes(3).toString('hex')}`;
  const rootFolder = join(folder, 'root');
  await makeRoot(rootFolder);
  const namespace = `${prefix}-net`;
  await runProgram('ip', ['netns', 'add', namespace]);
  made.defer(async () => void (await runProgram('ip', ['netns', 'delete', namespace])));
  const options = { folder: join(folder, 'containers'), prefix };
  await mkdir(join(folder, 'logs'));
  let runtime = await ContainerRuntime.open(options);
  made.defer(async () => {
    await using last = await ContainerRuntime.open(options);
    for (const id of await last.list()) await last.delete(id);
  });
  made.defer(() => runtime.close());
  const stack = made.move();
  const specOf: ContainerBed['specOf'] = (name, line, changes = {}) => {
    const id = shortIdOf(name);
    return {
      id,
      rootFolder,
      hostname: name,
      command: ['sh', '-c', line],
      env: { PATH: '/bin' },
      cwd: '/',
      user: { uid: 0, gid: 0, groups: [] },
      isReadOnly: false,
      isImageOnly: false,
      mounts: [],
      networkNamespace: `/run/netns/${namespace}`,
      uidStart,
      limits: { cpuMilli: 500, memoryBytes: 64 * 1024 * 1024, pids: 64 },
      isElevated: false,
      logFile: join(folder, 'logs', id),
      ...changes,
    };
  };
  return {
    folder,
    rootFolder,
    prefix,
    get runtime() {
      return runtime;
    },
    options,
    specOf,
    run: async (line, changes) => {
      const spec = specOf(`run-${randomBytes(4).toString('hex')}`, line, changes);
      await runtime.create(spec);
      await runtime.start(spec.id);
      const ended = await endOf(runtime, spec.id);
      const output = await outputOf(spec.logFile);
      await runtime.delete(spec.id);
      return { exitCode: ended.exitCode ?? -1, output };
    },
    reopen: async () => {
      await runtime.close();
      runtime = await ContainerRuntime.open(options);
      return runtime;
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

/** How a container ended, once it has. */
export async function endOf(
  runtime: ContainerRuntime,
  id: string,
): Promise<{ exitCode: number | undefined; isOutOfMemory: boolean }> {
  return waitFor(
    async () => {
      const found = await runtime.state(id);
      return found.state === 'ended' && found;
    },
    { timeoutMs: 60_000, what: `the end of container ${id}` },
  );
}

/** What a container printed so far, both streams. */
export async function outputOf(logFile: string): Promise<string> {
  const text = await readFile(logFile, 'utf8').catch(() => '');
  const parts = text.split('\n').map((line) => line.split(' '));
  // P is part of a line whose rest follows.
  const said = parts.map(([, , kind, ...words]) => words.join(' ') + (kind === 'F' ? '\n' : ''));
  return said.join('').trimEnd();
}

/** Everything of the runtime that the kernel and /run still have. */
export async function leftOf(prefix: string): Promise<readonly string[]> {
  const found: string[] = [];
  for (const controller of await readdir('/sys/fs/cgroup')) {
    const path = `/sys/fs/cgroup/${controller}/${prefix}.containers`;
    for (const name of await readdir(path).catch(() => [])) {
      if (/^[0-9a-f]{12}$/.test(name)) found.push(join(path, name));
    }
  }
  for (const pid of await readdir('/proc')) {
    if (!/^\d+$/.test(pid)) continue;
    const line = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
    if (line.includes(runFolderOf(prefix))) found.push(line.replaceAll('\0', ' '));
  }
  const states = await readdir(join(runFolderOf(prefix), 'runc')).catch(() => []);
  const execs = await readdir(join(runFolderOf(prefix), 'execs')).catch(() => []);
  return [...found, ...states, ...execs];
}

async function makeRoot(root: string): Promise<void> {
  const folders = ['bin', 'dev', 'etc', 'proc', 'run', 'srv', 'sys', 'tmp', 'volume'];
  for (const folder of folders) await mkdir(join(root, folder), { recursive: true });
  await runProgram('cp', ['/bin/busybox', join(root, 'bin')]);
  await runProgram('chroot', [root, '/bin/busybox', '--install', '-s', '/bin']);
  await runProgram('sh', [
    '-c',
    `cd ${root} && echo 'root:x:0:0::/root:/bin/sh
app:x:1000:1001::/srv/app:/bin/sh' > etc/passwd && echo 'root:x:0:
app:x:1001:
video:x:44:app,root' > etc/group && chmod 1777 tmp`,
  ]);
  await runProgram('chown', ['-R', '-h', `${uidStart}:${uidStart}`, root]);
}
