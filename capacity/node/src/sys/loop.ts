import { readdir, readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';

import { errorCode, runProgram } from '@commongrid/base';

/** Shows a file as a disk, past the page cache: else the memory of its blocks is used twice. */
export async function attachLoop(file: string): Promise<string> {
  const printed = await runProgram('losetup', ['--find', '--show', '--direct-io=on', file]);
  return printed.trim();
}

/** Takes the disk away, or when it is mounted: as soon as it no longer is. */
export async function detachLoop(device: string): Promise<void> {
  try {
    await runProgram('losetup', ['--detach', device]);
  } catch (error) {
    // Its mount went meanwhile, and it with that.
    if ((await backingFileOf(basename(device))) !== undefined) throw error;
  }
}

/** Lets the disk be as large as its file is now. */
export async function rereadLoop(device: string): Promise<void> {
  await runProgram('losetup', ['--set-capacity', device]);
}

/** Disks that show files of a folder, with the file of each, whether or not it is still there. */
export async function loopsBelow(
  folder: string,
): Promise<readonly { readonly device: string; readonly file: string }[]> {
  const loops: { device: string; file: string }[] = [];
  for (const name of await readdir('/sys/block')) {
    if (!name.startsWith('loop')) continue;
    const file = await backingFileOf(name);
    if (file?.startsWith(`${folder}/`) === true) loops.push({ device: `/dev/${name}`, file });
  }
  return loops;
}

async function backingFileOf(name: string): Promise<string | undefined> {
  try {
    const text = await readFile(join('/sys/block', name, 'loop/backing_file'), 'utf8');
    return text.replace(/\n$/, '').replace(/ \(deleted\)$/, '');
  } catch (error) {
    // Disks without a file; those that lose it while they are looked at.
    if (['ENOENT', 'ENXIO', 'ENODEV'].includes(errorCode(error) ?? '')) return undefined;
    throw error;
  }
}

/**
 * Gives a file its room on the disk below, now and for ever; what it has stays.
 * @throws BASE_PROGRAM_FAILED when there is less
 */
export async function preallocate(file: string, sizeBytes: number): Promise<void> {
  await runProgram('fallocate', ['--length', String(sizeBytes), file]);
}
