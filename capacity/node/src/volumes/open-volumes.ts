import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

import { GridError, isGridError, runProgram } from '@commongrid/base';

import type { NodeErrorCode } from '../errors.ts';
import { FullSizeVolumes } from './full-size-volumes.ts';
import { isThere } from './look.ts';
import type { PoolDiskOptions } from './pool-disk.ts';
import { VolumePool } from './volume-pool.ts';
import type { Volumes } from './volumes.ts';

/**
 * The volumes of a machine: in a pool where it has btrfs, else of full size. A folder stays what it
 * was begun as.
 * @throws NODE_FEATURE_MISSING, what `VolumePool.open` and `FullSizeVolumes.open` throw
 */
export async function openVolumes(options: PoolDiskOptions): Promise<Volumes> {
  const { folder, device, sizeBytes } = options;
  const isFullSize = await isThere(join(folder, 'images'));
  const missing = isFullSize ? undefined : await missingForBtrfs();
  if (!isFullSize && missing === undefined) return VolumePool.open(options);
  if (device !== undefined || (await isThere(join(folder, 'pool.img')))) {
    throw featureMissing(missing ?? 'a folder of its own');
  }
  if (sizeBytes === undefined) {
    throw new GridError<NodeErrorCode>('NODE_CONFIG_INVALID', 'volumes need a disk, or a size');
  }
  return FullSizeVolumes.open({ folder, sizeBytes });
}

/** What this machine lacks; undefined when it has all. */
async function missingForBtrfs(): Promise<string | undefined> {
  for (const program of ['btrfs', 'mkfs.btrfs']) {
    try {
      await runProgram(program, ['--version']);
    } catch (error) {
      if (isGridError(error, 'BASE_PROGRAM_MISSING')) return 'btrfs-progs';
      throw error;
    }
  }
  if (await knowsBtrfs()) return undefined;
  // A kernel loads it when it is first used, or here.
  await runProgram('modprobe', ['btrfs']).catch(() => {});
  return (await knowsBtrfs()) ? undefined : 'btrfs in the kernel';
}

async function knowsBtrfs(): Promise<boolean> {
  return /\tbtrfs$/m.test(await readFile('/proc/filesystems', 'utf8'));
}

function featureMissing(what: string): GridError<NodeErrorCode> {
  return new GridError('NODE_FEATURE_MISSING', `the disk for volumes needs ${what}`, {
    hint: 'apt-get install btrfs-progs, or a kernel with btrfs',
    details: { what },
  });
}
