import { join } from 'node:path';

import {
  delay,
  errorCode,
  FolderLock,
  GridError,
  isGridError,
  systemClock,
} from '@commongrid/base';

import type { NodeErrorCode } from '../errors.ts';
import { holdersOf } from '../sys/held-programs.ts';
import type { LockHolder } from '../sys/held-programs.ts';

/**
 * Locks the folder of volumes. What an agent that was killed left running there, and what could
 * undo or disturb what we do, is ended first; who mends a file system is waited for, as half of that
 * could be worse than none.
 * @throws BASE_FOLDER_LOCKED while another agent has it, NODE_VOLUME_BUSY (retryable)
 */
export async function takeFolder(folder: string): Promise<FolderLock> {
  const beganMs = systemClock.monotonicMs();
  for (;;) {
    const lock = await lockOrReason(folder);
    if (lock instanceof FolderLock) return lock;
    const passedMs = systemClock.monotonicMs() - beganMs;
    const holders = await holdersOf(join(folder, 'LOCK'));
    if (holders.some(({ isOwner }) => isOwner)) {
      // One that was killed while it started a program is an owner for as long as that takes.
      if (passedMs > ownerTimeoutMs) throw lock;
    } else {
      holders.forEach(end);
    }
    if (passedMs > leftoverTimeoutMs) throw stillBusy(folder, holders);
    await delay(lookEveryMs);
  }
}

async function lockOrReason(folder: string): Promise<FolderLock | GridError> {
  try {
    return await FolderLock.open(folder);
  } catch (error) {
    if (isGridError(error, 'BASE_FOLDER_LOCKED')) return error;
    throw error;
  }
}

function end({ pid, name }: LockHolder): void {
  if (menders.has(name)) return;
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if (errorCode(error) !== 'ESRCH') throw error;
  }
}

/** Programs that change a file system which is not mounted. */
const menders: ReadonlySet<string> = new Set(['e2fsck', 'resize2fs', 'debugfs']);

const lookEveryMs = 20;

/** After it an owner is taken for an agent at work. */
const ownerTimeoutMs = 2_000;

/** A program that mends a large disk, or hangs in the kernel, may take longer: then we are started again. */
const leftoverTimeoutMs = 60_000;

function stillBusy(folder: string, holders: readonly LockHolder[]): GridError<NodeErrorCode> {
  const programs = holders.map(({ pid, name }) => `${name} (${pid})`);
  return new GridError(
    'NODE_VOLUME_BUSY',
    `programs of an agent that was killed still work in ${folder}: ${programs.join(', ')}`,
    { hint: 'wait for their end', retryable: true, details: { folder, programs } },
  );
}
