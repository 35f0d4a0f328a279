import { isGridError } from '@commongrid/base';

import type { HeldPrograms } from './held-programs.ts';

/** Makes a file system in a file. Its root is empty and belongs to the owner. */
export async function makeExt4(
  programs: HeldPrograms,
  file: string,
  ownerUid: number,
): Promise<void> {
  // Blocks of 4 KiB also where it is small, for it may grow; no discard, which would give the room of
  // the file back to the disk below.
  const options = `root_owner=${ownerUid}:${ownerUid},nodiscard`;
  const shape = ['-q', '-F', '-b', '4096', '-m', '0', '-E', options];
  await programs.run('mkfs.ext4', [...shape, file], { timeoutMs: diskTimeoutMs });
  await removeLostFound(programs, file);
}

/** Databases refuse folders in which something is. Only an empty one goes. */
async function removeLostFound(programs: HeldPrograms, file: string): Promise<void> {
  await programs.run('debugfs', ['-w', '-R', 'rmdir lost+found', file]);
}

/**
 * Lets a mounted file system be as large as its disk; it may be so already.
 * @throws BASE_PROGRAM_FAILED where the kernel refuses: it wants CAP_SYS_RESOURCE for it
 */
export async function growMountedExt4(programs: HeldPrograms, device: string): Promise<void> {
  await programs.run('resize2fs', [device], { timeoutMs: diskTimeoutMs });
}

/** Lets a file system that is not mounted be as large as its file. */
export async function growExt4(programs: HeldPrograms, file: string): Promise<void> {
  try {
    await programs.run('e2fsck', ['-f', '-p', file], { timeoutMs: diskTimeoutMs });
  } catch (error) {
    // It was not clean, and is now.
    if (!isGridError(error) || error.details['status'] !== 1) throw error;
  }
  await removeLostFound(programs, file);
  await programs.run('resize2fs', [file], { timeoutMs: diskTimeoutMs });
}

/**
 * Copies the file of a mounted file system while nobody writes to it. A process of its own does so:
 * when we are killed meanwhile, it still lets them write again, unless the next of us ends it and does so.
 */
export async function copyStill(
  programs: HeldPrograms,
  mounted: string,
  file: string,
  target: string,
): Promise<void> {
  try {
    await programs.run('sh', ['-c', copyScript, 'copy-still', mounted, file, target], {
      env: { PATH: process.env['PATH'] ?? '', LC_ALL: 'C' },
      timeoutMs: diskTimeoutMs,
    });
  } finally {
    await thaw(programs, mounted);
  }
}

const copyScript = `fsfreeze --freeze "$1" || exit
cp --sparse=always --reflink=auto "$2" "$3"
copied=$?
fsfreeze --unfreeze "$1"
exit $copied`;

/** Lets those write who could not. */
export async function thaw(programs: HeldPrograms, mounted: string): Promise<void> {
  // It fails where nothing was frozen.
  await programs.run('fsfreeze', ['--unfreeze', mounted]).catch(() => {});
}

/** The whole of a large disk is copied, or its tables are written. */
const diskTimeoutMs = 3_600_000;
