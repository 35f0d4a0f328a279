import { readFileSync } from 'node:fs';
import { access, mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { closeOnce, errorCode, GridError, isGridError, waitFor } from '@commongrid/base';

import type { NodeErrorCode } from '../errors.ts';
import { Cgroups } from '../sys/cgroup.ts';
import type { CgroupUsage } from '../sys/cgroup.ts';
import { bundleFiles, hasConmon, isConmonAlive, reopenLog } from '../sys/conmon.ts';
import { ensureGuard, guardPid } from '../sys/guard.ts';
import type { GuardLimit } from '../sys/guard.ts';
import { openFilesLimit } from '../sys/open-files.ts';
import { Runc } from '../sys/runc.ts';
import { mountSysfs, unmountSysfs } from '../sys/sysfs.ts';
import { ContainerExecs } from './container-exec.ts';
import type { ContainerProcess, ExecOptions } from './container-exec.ts';
import { ContainerMaker, createTimeoutMs, specFile } from './container-maker.ts';
import type { ContainerSpec, ContainerState } from './container-spec.ts';
import { endContainer, endProcesses } from './end-container.ts';
import { ExitFiles } from './exit-files.ts';
import { IdLocks } from './id-locks.ts';
import { openFilesWanted } from './oci-config.ts';
import { SeccompFilters } from './seccomp-filters.ts';

export interface ContainerRuntimeOptions {
  /** For bundles and exit codes, on a disk. Absolute. */
  readonly folder: string;
  /** Begins the name of what it makes in the kernel and in /run: up to three characters. */
  readonly prefix: string;
  /** Path of the program. Default: Debian's. */
  readonly runc?: string;
  /** Path of the program. Default: Debian's. */
  readonly conmon?: string;
}

/** What is known of containers and does not change. */
interface RuntimeParts {
  readonly folder: string;
  /** What a reboot takes away: runc's state, commands that run, the sysfs. */
  readonly runFolder: string;
  readonly runc: Runc;
  readonly cgroups: Cgroups;
  readonly exits: ExitFiles;
  readonly execs: ContainerExecs;
  readonly maker: ContainerMaker;
}

/** conmon writes the exit code right after the end; it may be out of its turn for a while. */
const exitTimeoutMs = 5_000;

/**
 * Containers of one node, by runc, each under a conmon of its own. They outlive this process, and what
 * there is of them is found out from the kernel and the disk each time. Every call comes to the same
 * when it comes again, also after a kill in the middle of an earlier one.
 */
export class ContainerRuntime implements AsyncDisposable {
  readonly close: () => Promise<void>;
  readonly #parts: RuntimeParts;
  /** One change of a container at a time. */
  readonly #locks = new IdLocks();

  private constructor(parts: RuntimeParts) {
    this.#parts = parts;
    this.close = closeOnce(() => this.#close());
  }

  /** @throws NODE_FEATURE_MISSING */
  static async open(options: ContainerRuntimeOptions): Promise<ContainerRuntime> {
    const {
      folder,
      prefix,
      runc: program = '/usr/sbin/runc',
      conmon = '/usr/bin/conmon',
    } = options;
    await Promise.all([program, conmon].map(requireProgram));
    const seccomp = await SeccompFilters.open();
    const runFolder = runFolderOf(prefix);
    await mkdir(folder, { recursive: true });
    await mkdir(runFolder, { recursive: true, mode: 0o711 });
    const cgroups = await Cgroups.open(`/${prefix}.containers`);
    const runc = new Runc(program, join(runFolder, 'runc'), cgroups);
    const sysFolder = join(runFolder, 'sys');
    await mountSysfs(sysFolder);
    const openFilesMax = await openFilesLimit(openFilesWanted);
    using opened = new DisposableStack();
    const exits = opened.use(await ExitFiles.open(join(folder, 'exits'), isId));
    const execs = await ContainerExecs.open({
      folder: join(runFolder, 'execs'),
      runc,
      cgroups,
      openFilesMax,
    });
    const maker = new ContainerMaker({
      ...{ conmon, runc, cgroups, seccomp, sysFolder, openFilesMax, exitFolder: exits.folder },
      canLimitSwap: await cgroups.canLimitSwap(),
    });
    opened.move();
    return new ContainerRuntime({ folder, runFolder, runc, cgroups, exits, execs, maker });
  }

  /**
   * Makes a container that is ready to start. One that is there and is the same stays; another one is
   * ended and taken away first.
   * @throws NODE_COMMAND_MISSING, NODE_CONTAINER_INVALID, NODE_CONTAINER_FAILED with what runc says,
   *   NODE_CONTAINER_STUCK
   */
  async create(spec: ContainerSpec): Promise<void> {
    checkSpec(spec);
    await this.#locks.run(spec.id, async () => {
      if (await this.#isMade(spec)) return;
      await this.#end(spec.id);
      try {
        await this.#parts.maker.make(spec, this.#bundle(spec.id));
      } catch (error) {
        await this.#end(spec.id);
        throw isGridError(error, 'BASE_TIMEOUT') ? stuck(spec.id, error) : error;
      }
    });
  }

  /**
   * Starts what is made; what runs is left alone.
   * @param limit of a single writer
   * @throws NODE_CONTAINER_NOT_RUNNING, NODE_CONTAINER_FAILED
   */
  start(id: string, limit?: GuardLimit): Promise<void> {
    return this.#locks.run(id, async () => {
      const { state } = await this.state(id);
      if (state === 'running' || state === 'paused') return;
      if (state !== 'created') throw notThere(id, state);
      if (limit !== undefined) await this.#guard(id, limit);
      await writeFile(this.#inBundle(id, startedFile), '');
      await this.#parts.runc.start(id);
    });
  }

  /**
   * Sees to it that what runs is killed once its node was not heard for so long.
   * @returns whether it runs @throws NODE_CONTAINER_FAILED, BASE_TIMEOUT
   */
  guard(id: string, limit: GuardLimit): Promise<boolean> {
    return this.#locks.run(id, async () => {
      const { status } = await this.#parts.runc.state(id);
      if (status === 'absent' || status === 'stopped') return false;
      await this.#guard(id, limit);
      return true;
    });
  }

  /** Whether a guard watches over it. At once. */
  isGuarded(id: string): boolean {
    return guardPid(this.#bundle(id)) !== undefined;
  }

  async state(id: string): Promise<ContainerState> {
    const { runc } = this.#parts;
    const { status } = await runc.state(id);
    if (status === 'stopped') await this.#awaitExit(id);
    if (status === 'stopped' || status === 'absent') return this.#endedState(id);
    const isSupervised = await isConmonAlive(this.#bundle(id));
    if (status === 'created') return { state: 'created', isSupervised };
    return { state: status, startedAtMs: (await this.#startedAtMs(id)) ?? 0, isSupervised };
  }

  /** Sends a signal to its first process, which gets none but SIGKILL that it does not ask for. */
  async kill(id: string, signal: NodeJS.Signals | number): Promise<void> {
    const found = await this.#parts.runc.state(id);
    if (found.status === 'absent' || found.status === 'stopped') return;
    try {
      process.kill(found.pid, signal);
    } catch (error) {
      if (errorCode(error) !== 'ESRCH') throw error;
    }
  }

  /** Tells it to end, and ends it when it has not after `graceMs`. */
  stop(id: string, signal: NodeJS.Signals | number, graceMs: number): Promise<void> {
    return this.#locks.run(id, async () => {
      const { runc, cgroups } = this.#parts;
      const isOver = async (): Promise<boolean> =>
        ['absent', 'stopped'].includes((await runc.state(id)).status);
      if (await isOver()) return;
      await cgroups.thaw(id);
      await this.kill(id, signal);
      try {
        await waitFor(isOver, { timeoutMs: graceMs, what: `the end of container ${id}` });
      } catch (error) {
        if (!isGridError(error, 'BASE_TIMEOUT')) throw error;
        await endProcesses(id, cgroups);
      }
    });
  }

  /** @throws NODE_CONTAINER_NOT_RUNNING */
  pause(id: string): Promise<void> {
    return this.#locks.run(id, async () => {
      const { state } = await this.state(id);
      if (state === 'paused') return;
      if (state !== 'running') throw notThere(id, state);
      await this.#parts.runc.pause(id);
    });
  }

  /** Lets what is paused go on. */
  resume(id: string): Promise<void> {
    return this.#locks.run(id, async () => {
      if ((await this.state(id)).state === 'paused') await this.#parts.runc.resume(id);
    });
  }

  /** Ends it and takes all of it away but its root, its mounts and its log, which are the caller's. */
  delete(id: string): Promise<void> {
    return this.#locks.run(id, () => this.#end(id));
  }

  /**
   * Runs a command in it, held to what holds for its first process.
   * @throws NODE_CONTAINER_NOT_RUNNING, NODE_EXEC_FULL
   */
  async exec(id: string, options: ExecOptions): Promise<ContainerProcess> {
    const found = await this.#parts.runc.state(id);
    if (found.status !== 'running') throw notThere(id, found.status);
    const { uidStart } = await this.specOf(id);
    return this.#parts.execs.start({ id, pid: found.pid, uidStart }, options);
  }

  /** What it was made as. @throws NODE_CONTAINER_NOT_RUNNING when there is no such container */
  async specOf(id: string): Promise<ContainerSpec> {
    const text = await readFile(this.#inBundle(id, specFile), 'utf8').catch((error: unknown) => {
      throw errorCode(error) === 'ENOENT' ? notThere(id, 'absent') : error;
    });
    const spec: ContainerSpec = JSON.parse(text);
    return spec;
  }

  /** Undefined when it is not there. */
  stats(id: string): Promise<CgroupUsage | undefined> {
    return this.#parts.cgroups.usage(id);
  }

  /** Containers of which there is a bundle. */
  async made(): Promise<readonly string[]> {
    return (await readdir(this.#parts.folder)).filter(isId);
  }

  /** Whether a conmon looks after it. At once: it is asked often, of all of them. */
  isSupervised(id: string): boolean {
    return hasConmon(this.#bundle(id));
  }

  /** Its first process, or that number is another's by now; undefined before it is made. At once. */
  pidOf(id: string): number | undefined {
    try {
      return Number(readFileSync(this.#inBundle(id, bundleFiles.pid), 'latin1'));
    } catch (error) {
      if (errorCode(error) === 'ENOENT') return undefined;
      throw error;
    }
  }

  /** Every container that left anything on this machine. */
  async list(): Promise<readonly string[]> {
    const { folder, runc, cgroups, exits } = this.#parts;
    const found = [readdir(folder), runc.list(), cgroups.list(), exits.list()];
    return [...new Set((await Promise.all(found)).flat().filter(isId))].toSorted();
  }

  /**
   * Calls `listener` for each that has ended and is not deleted, and for each that ends, more than
   * once for some. One without a conmon is noticed when its state is asked for.
   */
  onExit(listener: (id: string) => void): Disposable {
    return this.#parts.exits.onExit(listener);
  }

  /** Has its output written to a new file at the path of its log. Whether there was a conmon for it. */
  reopenLog(id: string): Promise<boolean> {
    return reopenLog(this.#bundle(id));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    const { runFolder, cgroups, exits, execs } = this.#parts;
    await execs[Symbol.asyncDispose]();
    await this.#locks.idle();
    exits[Symbol.dispose]();
    if ((await this.list()).length > 0) return;
    await unmountSysfs(join(runFolder, 'sys'));
    await cgroups.removeParent();
    await rm(runFolder, { recursive: true, force: true });
  }

  /** Whether it was made as the spec says, wholly, and waits to be started, or was. */
  async #isMade(spec: ContainerSpec): Promise<boolean> {
    const { id } = spec;
    const made = await readFile(this.#inBundle(id, specFile), 'utf8').catch(() => '');
    if (made !== JSON.stringify(spec)) return false;
    if (!(await exists(this.#inBundle(id, bundleFiles.pid)))) return false;
    const found = await this.state(id);
    return found.state !== 'absent' && found.state !== 'ended' && found.isSupervised;
  }

  async #endedState(id: string): Promise<ContainerState> {
    const exit = await this.#parts.exits.read(id);
    if (exit === undefined) return { state: 'absent' };
    const { exitCode, atMs } = exit;
    const startedAtMs = await this.#startedAtMs(id);
    const isOutOfMemory =
      exitCode !== 0 &&
      ((await exists(this.#inBundle(id, bundleFiles.outOfMemory))) ||
        (await this.#parts.cgroups.oomKills(id)) > 0);
    return { state: 'ended', exitCode, isOutOfMemory, startedAtMs, atMs };
  }

  /** Waits until conmon has written how it ended; without a conmon, or if it hangs, nobody knows. */
  async #awaitExit(id: string): Promise<void> {
    const { exits } = this.#parts;
    const isKnown = async (): Promise<boolean> =>
      !(await isConmonAlive(this.#bundle(id))) || (await exits.read(id)) !== undefined;
    const what = `the exit code of container ${id}`;
    try {
      await waitFor(isKnown, { timeoutMs: exitTimeoutMs, everyMs: 2, what });
    } catch (error) {
      if (!isGridError(error, 'BASE_TIMEOUT')) throw error;
    }
    await exits.noteUnseen(id);
  }

  async #startedAtMs(id: string): Promise<number | undefined> {
    try {
      return Math.floor((await stat(this.#inBundle(id, startedFile))).mtimeMs);
    } catch (error) {
      if (errorCode(error) === 'ENOENT') return undefined;
      throw error;
    }
  }

  async #end(id: string): Promise<void> {
    const { runc, cgroups, exits } = this.#parts;
    await endContainer({ id, bundleFolder: this.#bundle(id), runc, cgroups, exits });
  }

  async #guard(id: string, limit: GuardLimit): Promise<void> {
    const cgroup = this.#parts.cgroups.files(id);
    await ensureGuard({ ...limit, bundleFolder: this.#bundle(id), cgroup });
  }

  #bundle(id: string): string {
    return join(this.#parts.folder, id);
  }

  #inBundle(id: string, name: string): string {
    return join(this.#bundle(id), name);
  }
}

/** What a node has in /run for its containers. */
export function runFolderOf(prefix: string): string {
  return `/run/commongrid-${prefix}`;
}

/** In a bundle: when it was started, by the time of the file. */
const startedFile = 'started';

function isId(name: string): boolean {
  return /^[0-9a-f]{12}$/.test(name);
}

function checkSpec({ id, command, isElevated, isImageOnly }: ContainerSpec): void {
  if (!isId(id)) throw invalid(`${id} is no short id`);
  if (command.length === 0) throw invalid('there is no command to run');
  if (isElevated && isImageOnly) throw invalid('what may mount is not held to its image');
}

function invalid(why: string): GridError<NodeErrorCode> {
  return new GridError('NODE_CONTAINER_INVALID', `the container cannot be made: ${why}`);
}

function notThere(id: string, state: string): GridError<NodeErrorCode> {
  return new GridError('NODE_CONTAINER_NOT_RUNNING', `container ${id} is ${state}`, {
    details: { id, state },
  });
}

function stuck(id: string, cause: unknown): GridError<NodeErrorCode> {
  const message = `conmon did not make container ${id} in ${createTimeoutMs} ms`;
  return new GridError('NODE_CONTAINER_STUCK', message, { retryable: true, cause });
}

async function requireProgram(path: string): Promise<void> {
  if (await exists(path)) return;
  throw new GridError<NodeErrorCode>('NODE_FEATURE_MISSING', `there is no program ${path}`, {
    hint: 'apt-get install runc conmon',
    details: { path },
  });
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
