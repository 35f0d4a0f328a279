import { chmod, copyFile, lstat, lutimes, mkdir, stat, utimes } from 'node:fs/promises';
import { dirname, join } from 'node:path';

import { runProgram } from '@commongrid/base';

/**
 * Files that a program is linked with.
 * @param program path on this machine
 * @param folders in which libraries are looked for first
 */
export async function librariesOf(
  program: string,
  folders: readonly string[] = [],
): Promise<readonly string[]> {
  const listed = await runProgram('env', [`LD_LIBRARY_PATH=${folders.join(':')}`, 'ldd', program]);
  return listed.split('\n').flatMap((line) => /(\/\S+) \(0x/.exec(line)?.[1] ?? []);
}

/** Copies a file of this machine, with its mode and time. @param target below the stage, as the image has it */
export async function copyInto(stage: string, file: string, target = file): Promise<void> {
  const to = join(stage, target);
  await mkdir(dirname(to), { recursive: true });
  await copyFile(file, to);
  const { mode, atime, mtime } = await stat(file);
  await chmod(to, mode & 0o7777);
  await utimes(to, atime, mtime);
}

/**
 * Gives what was made in a stage, and has no time of its own, always the same time: the same programs twice are the
 * same image.
 * @param isMade of files; folders and links are
 */
export async function settleTimes(stage: string, isMade: (path: string) => boolean): Promise<void> {
  const found = await runProgram('find', [stage, '-depth', '-print0']);
  for (const path of found.split('\0').filter((one) => one !== '')) {
    if (!(await lstat(path)).isFile() || isMade(path)) await lutimes(path, 0, 0);
  }
}
