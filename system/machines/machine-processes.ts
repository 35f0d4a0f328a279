import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

import { errorCode, waitFor } from '@commongrid/base';

/** For processes that were killed to be gone. */
const gone = { timeoutMs: 60_000, everyMs: 20 };

/** Numbers of the processes of all containers of a node. */
export async function processesOf(prefix: string): Promise<readonly string[]> {
  return (await processLists(prefix)).flatMap(([, pids]) => pids).toSorted();
}

/** Names of the containers of a node that have processes: short ids of workloads. */
export async function runningIn(prefix: string): Promise<ReadonlySet<string>> {
  return new Set(
    (await processLists(prefix)).flatMap(([name, pids]) => (pids.length > 0 ? [name] : [])),
  );
}

/** A process, and the words that it was started with. */
export interface Program {
  readonly pid: number;
  readonly words: readonly string[];
}

/** Programs that name a folder or what is in it: an agent, its keeper, image service, Zero-DBs, keepers of containers. */
export async function programsIn(folder: string): Promise<readonly Program[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const all = await Promise.all(pids.map((pid) => programOf(Number(pid))));
  return all.filter(({ pid, words }) => {
    return pid !== process.pid && words.some((word) => isNaming(word, folder));
  });
}

/** Numbers of these. */
export async function programsOf(folder: string): Promise<readonly string[]> {
  return (await programsIn(folder)).map(({ pid }) => String(pid));
}

/** Whether a Zero-DB runs that has its data in a folder. */
export async function runsZeroDb(folder: string): Promise<boolean> {
  const programs = await programsIn(folder);
  return programs.some(({ words }) =>
    words.some((word, at) => word === 'zdb' && words[at + 1] === 'serve'),
  );
}

/** What a process was started with; no words of one that ended. */
export async function programOf(pid: number): Promise<Program> {
  const line = await readFile(`/proc/${pid}/cmdline`, 'latin1').catch(() => '');
  return { pid, words: line.split('\0') };
}

function isNaming(word: string, folder: string): boolean {
  const path = word.startsWith('--') ? word.slice(word.indexOf('=') + 1) : word;
  return path === folder || path.includes(`${folder}/`);
}

/** Ends every process of a machine at once: agent, containers, and what watches these. Returns when there is none. */
export async function killMachine({
  folder,
  prefix,
}: {
  readonly folder: string;
  readonly prefix: string;
}): Promise<void> {
  const isOver = async (): Promise<boolean> => {
    const pids = new Set([...(await processesOf(prefix)), ...(await programsOf(folder))]);
    for (const pid of pids) killIfThere(Number(pid));
    return pids.size === 0;
  };
  await waitFor(isOver, { ...gone, what: `the end of what runs in ${folder}` });
}

/** Ends a process at once, if there is one with this number. */
export function killIfThere(pid: number): void {
  signalIfThere(pid, 'SIGKILL');
}

/** Sends a signal to a process, if there is one with this number. */
export function signalIfThere(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    // One that ended meanwhile.
    if (errorCode(error) !== 'ESRCH') throw error;
  }
}

/**
 * Each container of a node with the numbers of its processes.
 * @param root where cgroups are: one tree in version 2, in version 1 one for each controller
 */
export async function processLists(
  prefix: string,
  root = '/sys/fs/cgroup',
): Promise<readonly (readonly [string, readonly string[]])[]> {
  const isV2 = existsSync(join(root, 'cgroup.controllers'));
  const folder = join(root, isV2 ? '' : 'pids', `${prefix}.containers`);
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
  const names = entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
  return Promise.all(
    names.map(async (name) => {
      const text = await readFile(join(folder, name, 'cgroup.procs'), 'utf8').catch(() => '');
      return [name, text.split('\n').filter(Boolean)] as const;
    }),
  );
}
