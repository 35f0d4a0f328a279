import { mkdir, readdir, rmdir } from 'node:fs/promises';
import { join } from 'node:path';

import { isGridError, readMounts } from '@commongrid/base';
import type { Logger } from '@commongrid/base';

import type { ObjectStore } from '../store/object-store.ts';
import { unmount } from '../sys/mounts.ts';
import { metaName, mountOf } from './image-mounts.ts';
import type { MountJournal, MountRecord } from './mount-journal.ts';

export interface ReconcileOptions {
  readonly folder: string;
  readonly journal: MountJournal;
  readonly store: ObjectStore;
  readonly fuseDevice: string;
  readonly bootId: string;
  readonly logger: Logger;
}

export interface ReconciledMounts {
  readonly live: readonly MountRecord[];
  /** Were dead and used by nobody, and are unmounted now: to be made again. */
  readonly lost: readonly MountRecord[];
}

/**
 * After a crash or a new start of the machine: gives the mounts that are alive, and clears what is
 * left of others. A mount is alive when it was made whole, in this run of the machine, over the FUSE
 * file system that is there now. One that is dead and used is only put out of sight: whoever runs on
 * it has lost its files, and is not to find others in their place.
 */
export async function reconcileMounts(options: ReconcileOptions): Promise<ReconciledMounts> {
  const { folder, journal, store, logger } = options;
  await clearMeta(join(folder, metaName));
  const live: MountRecord[] = [];
  const lost: MountRecord[] = [];
  for (const record of await journal.read()) {
    const isMounted = (await mountOf(record)) !== undefined;
    const isOfNow = record.bootId === options.bootId && record.fuseDevice === options.fuseDevice;
    const isKnown = store.pins.get(record.id) === record.digest;
    const wasWhole = isMounted && isKnown && record.state === 'mounted';
    if (wasWhole && isOfNow) {
      live.push(record);
      continue;
    }
    const { id, target } = record;
    const isUsed = isMounted && !(await isUnmounted(target));
    logger.warn({ id, target, isMounted, isUsed }, 'a mount is left over and is cleared');
    if (isUsed) await unmount(target, { isLazy: true });
    // What was read of a traced one is lost with it.
    else if (wasWhole && !record.isTraced) lost.push(record);
    journal.remove(id);
  }
  const liveIds = new Set(live.map(({ id }) => id));
  for (const id of [...store.pins.keys()]) if (!liveIds.has(id)) store.unpin(id);
  return { live, lost };
}

/** False when somebody uses it. */
async function isUnmounted(target: string): Promise<boolean> {
  try {
    await unmount(target);
    return true;
  } catch (error) {
    if (isGridError(error, 'FLIST_MOUNT_FAILED')) return false;
    throw error;
  }
}

/** Metadata is mounted there only while an overlay is being made. */
async function clearMeta(meta: string): Promise<void> {
  await mkdir(meta, { recursive: true, mode: 0o700 });
  for (const { target } of await readMounts()) {
    if (target.startsWith(`${meta}/`)) await unmount(target, { isLazy: true });
  }
  for (const name of await readdir(meta)) await rmdir(join(meta, name));
}
