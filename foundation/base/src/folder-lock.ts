import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { open, readFile } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { errorCode, GridError } from './errors.ts';
import type { BaseErrorCode } from './errors.ts';
import { closeOnce } from './lifecycle.ts';

/** Who holds a lock, for people; the kernel, not this text, decides who does. */
export interface FolderLockOwner {
  readonly pid: number;
  readonly host: string;
}

/**
 * One process at a time in a folder.
 *
 * The lock is the kernel's `flock(2)` on the file LOCK, which belongs to the open file description.
 * Node cannot call it, so util-linux's `flock` is started with that description as its descriptor
 * 3: it locks and exits, and the lock stays with ours. It ends with our process, however that dies,
 * so there is nothing stale to take over and no race between two that try. Process ids would not
 * do: in another container's PID namespace a living owner looks dead.
 *
 * LOCK is never removed: whoever held the removed file and whoever made a new one would both have a
 * lock. Descriptors of Node are close-on-exec, so a child process does not keep the lock alive, unless
 * it is given `descriptor`.
 */
export class FolderLock implements AsyncDisposable {
  readonly path: string;
  /** The file system takes no writes: the lock holds, but does not say whose it is. */
  readonly isReadOnly: boolean;
  /** A program that is given it holds the lock as well, until it ends. */
  readonly descriptor: number;
  readonly close: () => Promise<void>;

  constructor(path: string, file: FileHandle, isReadOnly: boolean) {
    this.path = path;
    this.descriptor = file.fd;
    this.isReadOnly = isReadOnly;
    held.add(this);
    this.close = closeOnce(async () => {
      if (!isReadOnly) await file.truncate(0);
      await file.close();
      held.delete(this);
    });
  }

  /**
   * Locks an existing folder or fails at once.
   * @throws BASE_FOLDER_LOCKED (details: path, owner), BASE_LOCK_TOOL_MISSING, BASE_LOCK_FAILED
   */
  static async open(folder: string): Promise<FolderLock> {
    const path = join(folder, 'LOCK');
    const { file, isReadOnly } = await openFile(path);
    try {
      if (!(await lock(file, path))) throw await lockedError(folder, path);
      if (!isReadOnly) await noteOwner(file);
      return new FolderLock(path, file, isReadOnly);
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

/** Node closes files that nobody keeps when it collects garbage, and with them a lock would go. */
const held = new Set<FolderLock>();

async function openFile(path: string): Promise<{ file: FileHandle; isReadOnly: boolean }> {
  try {
    return { file: await open(path, 'a+'), isReadOnly: false };
  } catch (error) {
    if (errorCode(error) !== 'EROFS') throw error;
    return { file: await open(path, 'r'), isReadOnly: true };
  }
}

/** flock -n does not wait; this is for a file system that hangs. */
const lockTimeoutMs = 10_000;

/** False when somebody else holds the lock. */
async function lock(file: FileHandle, path: string): Promise<boolean> {
  const child = spawn('flock', ['-x', '-n', '3'], {
    stdio: ['ignore', 'ignore', 'pipe', file.fd],
    timeout: lockTimeoutMs,
  });
  try {
    const [stderr, closed] = await Promise.all([
      child.stderr === null ? '' : text(child.stderr),
      once(child, 'close'),
    ]);
    const exitCode: unknown = closed[0];
    if (exitCode === 0) return true;
    if (exitCode === 1 && stderr === '') return false;
    throw new GridError<BaseErrorCode>(
      'BASE_LOCK_FAILED',
      `cannot lock ${path}: ${stderr.trim()}`,
      {
        hint: 'use a folder on a local file system',
        details: { path, exitCode },
      },
    );
  } catch (error) {
    if (errorCode(error) !== 'ENOENT') throw error;
    throw new GridError<BaseErrorCode>('BASE_LOCK_TOOL_MISSING', 'there is no program flock', {
      hint: 'install util-linux',
      cause: error,
    });
  }
}

/** On a full disk the note is left out: whoever comes to make room must get in. */
async function noteOwner(file: FileHandle): Promise<void> {
  const owner: FolderLockOwner = { pid: process.pid, host: hostname() };
  await file.truncate(0);
  try {
    await file.write(`${JSON.stringify(owner)}\n`);
  } catch (error) {
    if (!diskFullCodes.has(errorCode(error) ?? '')) throw error;
  }
}

const diskFullCodes: ReadonlySet<string> = new Set(['ENOSPC', 'EDQUOT']);

async function lockedError(folder: string, path: string): Promise<GridError<BaseErrorCode>> {
  const owner = parseOwner(await readFile(path, 'utf8'));
  const who = owner === undefined ? 'another process' : `process ${owner.pid} on ${owner.host}`;
  return new GridError<BaseErrorCode>('BASE_FOLDER_LOCKED', `${folder} is in use by ${who}`, {
    hint: 'stop that process, or use another folder',
    details: { path, owner },
  });
}

/** Undefined in the moment between another process's lock and its note. */
function parseOwner(note: string): FolderLockOwner | undefined {
  const [, pid, host] = /^\{"pid":(\d+),"host":"([^"]*)"\}\n$/.exec(note) ?? [];
  return pid === undefined || host === undefined ? undefined : { pid: Number(pid), host };
}
