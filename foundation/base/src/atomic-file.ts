import { randomBytes } from 'node:crypto';
import { mkdir, open, rename, rm, unlink } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { errorCode } from './errors.ts';

export interface WriteFileAtomicOptions {
  /** Exact permission bits, whatever the umask. Default: 0o666 less the umask. */
  readonly mode?: number;
}

/**
 * Replaces `path` by `content` so that a crash at any moment leaves the whole old or the whole new
 * file, and so that the new one survives a power cut once the promise resolves.
 *
 * 1. Write a temporary file beside it. 2. fsync it: its bytes come before its name.
 * 3. Rename it over `path`. 4. fsync the folder: the name itself is durable.
 *
 * A crash between 1 and 3 leaves a file for which `isAtomicTemp(name)` is true.
 * @throws the system's own error (ENOENT, ENOSPC, ...); the old file is then untouched.
 */
export async function writeFileAtomic(
  path: string,
  content: string | Uint8Array,
  options: WriteFileAtomicOptions = {},
): Promise<void> {
  const folder = dirname(path);
  const temp = join(folder, `.${basename(path)}.${randomBytes(8).toString('hex')}.tmp`);
  const { mode } = options;
  try {
    const file = await open(temp, 'wx', mode);
    try {
      // chmod before the content is there: a secret is never readable under a wider mode.
      if (mode !== undefined) await file.chmod(mode);
      await file.writeFile(content);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temp, path);
  } catch (error) {
    await rm(temp, { force: true });
    throw error;
  }
  await syncFolder(folder);
}

/** True for names that `writeFileAtomic` leaves behind in a crash: readers of a folder skip them. */
export function isAtomicTemp(name: string): boolean {
  return /^\..+\.[0-9a-f]{16}\.tmp$/.test(name);
}

/** Makes created, renamed and removed names in a folder durable. */
export async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

/**
 * Makes a folder for its owner alone, with those on the way to it, so that they survive a power cut once the promise
 * resolves. One that is there stays as it is.
 */
export async function makeFolderDurably(path: string): Promise<void> {
  const folder = resolve(path);
  const first = await mkdir(folder, { recursive: true, mode: 0o700 });
  if (first === undefined) return;
  for (let made = folder; made.length >= first.length; made = dirname(made)) {
    await syncFolder(dirname(made));
  }
}

/** Removes a file and makes that durable. Resolves to false when there was none. */
export async function removeFileDurably(path: string): Promise<boolean> {
  try {
    await unlink(path);
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return false;
    throw error;
  }
  await syncFolder(dirname(path));
  return true;
}
