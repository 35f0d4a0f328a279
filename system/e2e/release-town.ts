import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { askControl, isGridError, waitFor } from '@commongrid/base';
import { createFromFolder, encodeFlist, FlistRepository, packFlist } from '@commongrid/flist';

import { root, TestGrid } from './grid-process.ts';
import type { Ended } from './grid-process.ts';

/** What a node says of its releases. */
export interface ShownRelease {
  readonly version: string;
  readonly digest?: string;
  readonly isTrial: boolean;
  readonly failed: { readonly version: string; readonly message: string } | null;
  readonly problem: string | null;
}

export interface ShownEvent {
  readonly workload?: string;
  readonly phase: string;
  readonly code?: string;
  readonly message?: string;
  readonly hint?: string;
}

/** What a program that is a release does before, and instead of, being the agent. */
export interface ReleaseProgram {
  readonly before?: string;
  /** Default: the agent of this checkout. */
  readonly instead?: string;
}

interface Up {
  readonly services: Record<string, { readonly pid: number | null }>;
}

const deadline = { timeoutMs: 120_000, everyMs: 200 };

/**
 * A grid, and a node of it that is run by `grid node start` with releases that are small: a script as
 * their Node, which runs that of this checkout, and a main that is the agent of this checkout.
 */
export class ReleaseTown implements AsyncDisposable {
  readonly grid: TestGrid;
  readonly folder: string;
  /** Starts the node as the grid does. */
  readonly #command: readonly string[];
  readonly #prefix: string;
  #keeper: ChildProcess | undefined;
  #images = 0;

  private constructor(grid: TestGrid, command: readonly string[]) {
    this.grid = grid;
    this.folder = join(grid.home, 'node');
    this.#command = command;
    this.#prefix = /--prefix=([a-z0-9]+)/.exec(command.join(' '))?.[1] ?? '';
  }

  /** The node is that of `grid up`, which takes it off the machine in the end; a keeper of the test runs it. */
  static async open(): Promise<ReleaseTown> {
    const grid = await TestGrid.open({ hasNode: true });
    const { services } = await grid.json<Up>('up', '--port-base', '0');
    const command = await readFile(`/proc/${services['node']?.pid}/cmdline`, 'utf8');
    await grid.json('down', 'node');
    const town = new ReleaseTown(grid, command.split('\0').slice(0, -1));
    await town.start();
    return town;
  }

  /** Starts the keeper, and waits until an agent answers. */
  async start(trialSeconds = 6, patienceSeconds = 60): Promise<void> {
    const [program = '', ...words] = this.#command;
    const { NODE_TEST_CONTEXT: _runner, ...inherited } = process.env;
    const pace = [`--trial=${trialSeconds}`, `--patience=${patienceSeconds}`];
    this.#keeper = spawn(program, [...words, ...pace], {
      env: { ...inherited, GRID_HOME: this.grid.home, GRID_LOG: 'error' },
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    await this.until('an agent', async () => (await this.release()) !== undefined);
  }

  /** Starts the keeper where it ended, as a supervisor does, and waits until an agent answers. */
  async restart(): Promise<void> {
    const isThere = async (): Promise<boolean> => (await this.release()) !== undefined;
    await this.until('an agent', async () => {
      if (this.#keeper === undefined || hasEnded(this.#keeper)) await this.start();
      return isThere();
    });
  }

  get keeper(): ChildProcess {
    if (this.#keeper === undefined) throw new Error('there is no keeper');
    return this.#keeper;
  }

  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    const keeper = this.#keeper;
    this.#keeper = undefined;
    if (keeper === undefined || hasEnded(keeper)) return;
    const ended = once(keeper, 'exit');
    keeper.kill(signal);
    await ended;
  }

  /** Number of the agent's process; undefined while there is none. */
  async agentPid(): Promise<number | undefined> {
    const path = `/proc/${this.keeper.pid}/task/${this.keeper.pid}/children`;
    const [first = ''] = (await readFile(path, 'utf8').catch(() => '')).split(' ');
    return first === '' ? undefined : Number(first);
  }

  /** Makes an image of a release, and brings it to the hub. @returns its digest */
  async image({ before = '', instead }: ReleaseProgram = {}): Promise<string> {
    const tree = join(this.grid.home, '..', `image-${this.#images++}`);
    await mkdir(tree);
    await writeFile(join(tree, 'node'), `#!/bin/sh\nexec ${process.execPath} "$@"\n`);
    await chmod(join(tree, 'node'), 0o755);
    // Each is another image, whatever it does.
    const main = instead ?? `await import('${join(root, 'runner/src/main.ts')}');`;
    await writeFile(join(tree, 'main.mjs'), `// ${tree}\n${before}\n${main}\n`);
    const digest = await this.#made(tree);
    await this.grid.json('hub', 'upload', digest, `owner/releases:v${this.#images}`);
    return digest;
  }

  /** A folder as an image that says what is run. */
  async #made(tree: string): Promise<string> {
    await using repository = await FlistRepository.open({ folder: join(this.grid.home, 'flists') });
    const { flist } = await createFromFolder(tree, repository);
    const config = { config: { Entrypoint: ['/node', '/main.mjs'] } };
    return await repository.putFlist(await packFlist(encodeFlist({ ...flist, config })));
  }

  /** Has nodes run a release. */
  say(version: string, digest: string, ...more: readonly string[]): Promise<Ended> {
    return this.grid.run('software', 'release', version, digest, ...more, '--json');
  }

  /** What the agent says it is; undefined while none answers. */
  async release(): Promise<ShownRelease | undefined> {
    try {
      const status = await askControl(join(this.folder, 'control.sock'), 'status');
      return (status as { readonly release: ShownRelease }).release;
    } catch (error) {
      if (isGridError(error)) return undefined;
      throw error;
    }
  }

  /** Waits until a version runs and is good. */
  async reach(version: string): Promise<ShownRelease> {
    let release: ShownRelease | undefined;
    await this.until(`${version} to be good`, async () => {
      release = await this.release();
      return release?.version === version && !release.isTrial;
    });
    if (release === undefined) throw new Error('it was reached');
    return release;
  }

  /** What the node tells, also to `grid events`. */
  async events(): Promise<readonly ShownEvent[]> {
    return (await askControl(join(this.folder, 'control.sock'), 'events')) as ShownEvent[];
  }

  /** Numbers of all processes of the node's containers, and when each was started. */
  async processes(): Promise<readonly string[]> {
    const folder = `/sys/fs/cgroup/pids/${this.#prefix}.containers`;
    const keys = await readdir(folder, { withFileTypes: true });
    const texts = keys
      .filter((key) => key.isDirectory())
      .map((key) => readFile(join(folder, key.name, 'cgroup.procs'), 'utf8'));
    const pids = (await Promise.all(texts)).join('').split('\n').filter(Boolean);
    const stats = pids.map(async (pid) => {
      const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
      return `${pid} ${stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]}`;
    });
    return (await Promise.all(stats)).toSorted();
  }

  async until(what: string, condition: () => Promise<boolean>): Promise<void> {
    await waitFor(condition, { ...deadline, what });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
    await this.grid.close();
  }
}

function hasEnded({ exitCode, signalCode }: ChildProcess): boolean {
  return exitCode !== null || signalCode !== null;
}
