import { mkdir, rm, rmdir, statfs } from 'node:fs/promises';
import { join } from 'node:path';

import { isGridError, mountAt, runProgram } from '@commongrid/base';

/** What fills a disk. */
const fillFile = 'full';
/** Least that is tried to be taken of a disk, bytes. */
const leastBytes = 4_096;

/** Makes a file system of its own for a folder, in a file beside it, which takes room as it fills. @param bytes of the file */
export async function mountDisk(folder: string, bytes: number): Promise<void> {
  const image = imageOf(folder);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  await runProgram('truncate', ['--size', String(bytes), image]);
  await runProgram('mkfs.ext4', ['-q', '-F', '-m', '0', image]);
  await runProgram('mount', ['-o', 'loop,noatime', image, folder]);
  await rmdir(join(folder, 'lost+found'));
}

/** Takes it off, if there is one; nothing may use it any more. @throws BASE_PROGRAM_FAILED while something does */
export async function unmountDisk(folder: string): Promise<void> {
  if ((await mountAt(folder)) !== undefined) await runProgram('umount', [folder]);
}

/** Takes all that is free of the disk of a folder, until `emptyDisk`. */
export async function fillDisk(folder: string): Promise<void> {
  const path = join(folder, fillFile);
  let [taken, part] = [0, (await freeBytes(folder)) || leastBytes];
  while (part >= leastBytes) {
    if (await takes(path, taken, part)) taken += part;
    else part = Math.floor(part / 2);
  }
}

/** Gives back what `fillDisk` took. */
export async function emptyDisk(folder: string): Promise<void> {
  await rm(join(folder, fillFile), { force: true });
}

/** @returns false where so much is not free */
async function takes(path: string, offset: number, bytes: number): Promise<boolean> {
  try {
    const [at, length] = [offset, bytes].map(String);
    await runProgram('fallocate', ['--offset', at ?? '', '--length', length ?? '', path]);
    return true;
  } catch (error) {
    if (isGridError(error, 'BASE_PROGRAM_FAILED') && /No space left/.test(error.message))
      return false;
    throw error;
  }
}

async function freeBytes(folder: string): Promise<number> {
  const { bavail, bsize } = await statfs(folder);
  return bavail * bsize;
}

function imageOf(folder: string): string {
  return `${folder}.disk`;
}
