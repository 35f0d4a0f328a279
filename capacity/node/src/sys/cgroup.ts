import { access, readdir, readFile, rmdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { delay, errorCode } from '@commongrid/base';

/** What the processes of one container use. */
export interface CgroupUsage {
  /** CPU time since it was made. */
  readonly cpuUsageUs: number;
  /** Without what the kernel would give back at once: files that nobody used lately. */
  readonly memoryBytes: number;
  readonly pids: number;
  /** Processes that the kernel ended because there was no more memory for them. */
  readonly oomKills: number;
}

const cgroupRoot = '/sys/fs/cgroup';
const processesFile = 'cgroup.procs';

/** Files of a container's cgroup, for a program that ends all in it. */
export interface CgroupFiles {
  /** Numbers of its processes, a line each. */
  readonly processes: string;
  readonly freezer: string;
  /** What lets frozen processes go on, written to the freezer. */
  readonly thawed: string;
}

/** Controllers of v1 that this module reads, each a tree of its own. */
type Controller = 'cpuacct' | 'cpuset' | 'freezer' | 'memory' | 'pids';

/**
 * The cgroups of a node's containers: all under one parent, one for each container. Version 1 (also
 * where a version 2 without controllers is beside it) and version 2 are read alike.
 */
export class Cgroups {
  /** Path of the parent below the root of the hierarchy, as OCI wants it. */
  readonly parent: string;
  readonly #isV2: boolean;
  /** Folders that hold this node's parent, or would. */
  readonly #trees: readonly string[];

  private constructor(parent: string, isV2: boolean, trees: readonly string[]) {
    this.parent = parent;
    this.#isV2 = isV2;
    this.#trees = trees;
  }

  static async open(parent: string): Promise<Cgroups> {
    const isV2 = await access(join(cgroupRoot, 'cgroup.controllers')).then(
      () => true,
      () => false,
    );
    const trees = isV2
      ? [cgroupRoot]
      : (await readdir(cgroupRoot, { withFileTypes: true }))
          .filter((entry) => entry.isDirectory())
          .map((entry) => join(cgroupRoot, entry.name));
    return new Cgroups(parent, isV2, trees);
  }

  /** Where OCI is to put a container. */
  pathOf(id: string): string {
    return `${this.parent}/${id}`;
  }

  /** Whether swap can be limited: without accounting for it, asking for that fails. */
  async canLimitSwap(): Promise<boolean> {
    if (this.#isV2) return true;
    return (await readOrNothing(join(cgroupRoot, 'memory/memory.memsw.limit_in_bytes'))) !== '';
  }

  /** Undefined when there is no such container. */
  async usage(id: string): Promise<CgroupUsage | undefined> {
    const [cpu, memory, memoryStat, pids, oomKills] = await Promise.all([
      this.#isV2
        ? this.#read('cpuacct', id, 'cpu.stat')
        : this.#read('cpuacct', id, 'cpuacct.usage'),
      this.#read('memory', id, this.#isV2 ? 'memory.current' : 'memory.usage_in_bytes'),
      this.#read('memory', id, 'memory.stat'),
      this.#read('pids', id, 'pids.current'),
      this.oomKills(id),
    ]);
    if (cpu === '' || memory === '') return undefined;
    const idleFiles = valueIn(memoryStat, this.#isV2 ? 'inactive_file' : 'total_inactive_file');
    return {
      cpuUsageUs: this.#isV2 ? valueIn(cpu, 'usage_usec') : Math.floor(Number(cpu) / 1_000),
      memoryBytes: Math.max(0, Number(memory) - idleFiles),
      pids: Number(pids),
      oomKills,
    };
  }

  async oomKills(id: string): Promise<number> {
    // `memory.failcnt` of v1 stays 0 where the kernel ended something.
    const file = this.#isV2 ? 'memory.events' : 'memory.oom_control';
    return valueIn(await this.#read('memory', id, file), 'oom_kill');
  }

  async isFrozen(id: string): Promise<boolean> {
    if (this.#isV2)
      return valueIn(await this.#read('freezer', id, 'cgroup.events'), 'frozen') === 1;
    return ['FROZEN', 'FREEZING'].includes(await this.#read('freezer', id, 'freezer.state'));
  }

  /** Lets frozen processes go on: those of v1 do not even end by SIGKILL. */
  async thaw(id: string): Promise<void> {
    const { freezer, thawed } = this.files(id);
    await ignoreAbsent(writeFile(freezer, thawed));
  }

  files(id: string): CgroupFiles {
    const [file, thawed] = this.#isV2
      ? (['cgroup.freeze', '0'] as const)
      : (['freezer.state', 'THAWED'] as const);
    return {
      processes: join(this.#folder('pids', id), processesFile),
      freezer: join(this.#folder('freezer', id), file),
      thawed,
    };
  }

  /** Processes in it, as the host numbers them. */
  async processes(id: string): Promise<readonly number[]> {
    const text = await this.#read('pids', id, processesFile);
    // 0 is one that this process's own namespace does not number.
    return text
      .split('\n')
      .map(Number)
      .filter((pid) => pid > 0);
  }

  /** For each container the numbers of the CPUs that it may use. */
  async cpuSets(): Promise<readonly (readonly number[])[]> {
    const ids = await foldersIn(this.#folder('cpuset', ''));
    const texts = await Promise.all(ids.map((id) => this.#read('cpuset', id, 'cpuset.cpus')));
    return texts.filter((text) => text !== '').map(parseCpuList);
  }

  async has(id: string): Promise<boolean> {
    return access(this.#folder('pids', id)).then(
      () => true,
      () => false,
    );
  }

  async list(): Promise<readonly string[]> {
    const found = new Set<string>();
    for (const tree of this.#trees) {
      for (const name of await foldersIn(join(tree, this.parent))) found.add(name);
    }
    return [...found];
  }

  /** Whether a process is in the cgroup of a container. */
  async holds(id: string, pid: number): Promise<boolean> {
    const text = await readOrNothing(`/proc/${pid}/cgroup`);
    return text.split('\n').some((line) => line.endsWith(`:${this.pathOf(id)}`));
  }

  /** Takes away an empty one, wherever some of it is. */
  async remove(id: string): Promise<void> {
    for (const tree of this.#trees) await removeFolder(join(tree, this.pathOf(id)));
  }

  /** Takes the parent away when nothing is in it. */
  async removeParent(): Promise<void> {
    for (const tree of this.#trees) await removeFolder(join(tree, this.parent));
  }

  #folder(controller: Controller, id: string): string {
    return join(cgroupRoot, this.#isV2 ? '' : controller, this.pathOf(id));
  }

  #read(controller: Controller, id: string, file: string): Promise<string> {
    return readOrNothing(join(this.#folder(controller, id), file));
  }
}

/** Reads `0-3,7` as the kernel writes it. */
export function parseCpuList(text: string): readonly number[] {
  return text.split(',').flatMap((part) => {
    const [first = Number.NaN, last = first] = part.split('-').map(Number);
    return Array.from({ length: last - first + 1 }, (_none, index) => first + index);
  });
}

/** The number behind a name in a file of lines `name number`; 0 without one. */
function valueIn(text: string, name: string): number {
  const line = text.split('\n').find((each) => each.startsWith(`${name} `));
  return line === undefined ? 0 : Number(line.slice(name.length + 1));
}

async function foldersIn(path: string): Promise<readonly string[]> {
  const entries = await ignoreAbsent(readdir(path, { withFileTypes: true }));
  return (entries ?? []).filter((entry) => entry.isDirectory()).map((entry) => entry.name);
}

async function readOrNothing(path: string): Promise<string> {
  return ((await ignoreAbsent(readFile(path, 'utf8'))) ?? '').trimEnd();
}

/**
 * A tree that is none, as systemd leaves one of a controller that is mounted elsewhere, is read-only. The kernel holds a
 * cgroup on for a moment after its last process was killed.
 */
async function removeFolder(path: string): Promise<void> {
  if ((await ignoreAbsent(access(path).then(() => true))) !== true) return;
  for (let left = busyTries; ; left -= 1) {
    try {
      await ignoreAbsent(rmdir(path));
      return;
    } catch (error) {
      if (errorCode(error) !== 'EBUSY' || left === 0) throw error;
      await delay(busyPauseMs);
    }
  }
}

/** How often, and how long after each other, ms, the removal of a cgroup that is held is tried again. */
const busyTries = 50;
const busyPauseMs = 20;

/** What goes while it is looked at is absent. */
async function ignoreAbsent<T>(call: Promise<T>): Promise<T | undefined> {
  try {
    return await call;
  } catch (error) {
    if (['ENOENT', 'ENODEV', 'ESRCH', 'ENOTDIR'].includes(errorCode(error) ?? '')) return undefined;
    throw error;
  }
}
