import { readdir, readFile, readlink } from 'node:fs/promises';
import { join } from 'node:path';

import { errorCode, runProgram } from '@commongrid/base';
import type { FolderLock, RunProgramOptions } from '@commongrid/base';

/**
 * Runs programs that hold the lock of a folder while they run. When we are killed they go on, and by
 * the lock who comes next knows of them.
 */
export class HeldPrograms {
  readonly #lock: FolderLock;

  constructor(lock: FolderLock) {
    this.#lock = lock;
  }

  /** To be given to programs that are started otherwise. */
  get descriptor(): number {
    return this.#lock.descriptor;
  }

  /** @throws what `runProgram` throws */
  run(program: string, args: readonly string[], options: RunProgramOptions = {}): Promise<string> {
    return runProgram(program, args, { ...options, descriptors: [this.descriptor] });
  }
}

export interface LockHolder {
  readonly pid: number;
  /** Of its program. */
  readonly name: string;
  /** It locked the file itself; else it was given the lock. */
  readonly isOwner: boolean;
}

/** Processes that hold a lock on a file by flock(2), as far as we see them. */
export async function holdersOf(file: string): Promise<readonly LockHolder[]> {
  const holders: LockHolder[] = [];
  for (const name of await readdir('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    try {
      const holder = await holderOf(file, join('/proc', name));
      if (holder !== undefined) holders.push({ pid: Number(name), ...holder });
    } catch (error) {
      // It ended meanwhile, or is not ours to look at.
      if (!['ENOENT', 'ESRCH', 'EACCES'].includes(errorCode(error) ?? '')) throw error;
    }
  }
  return holders;
}

async function holderOf(
  file: string,
  folder: string,
): Promise<Omit<LockHolder, 'pid'> | undefined> {
  for (const descriptor of await readdir(join(folder, 'fd'))) {
    if ((await readlink(join(folder, 'fd', descriptor))) !== file) continue;
    const facts = await readFile(join(folder, 'fdinfo', descriptor), 'utf8');
    if (!/^lock:.* FLOCK /m.test(facts)) continue;
    const [, flags = '0'] = /^flags:\s*([0-7]+)/m.exec(facts) ?? [];
    const name = (await readFile(join(folder, 'comm'), 'utf8')).trim();
    return { name, isOwner: (Number.parseInt(flags, 8) & closeOnExec) !== 0 };
  }
  return undefined;
}

/** O_CLOEXEC: what a process opened for itself has it, what it was given has not. */
const closeOnExec = 0o2000000;
