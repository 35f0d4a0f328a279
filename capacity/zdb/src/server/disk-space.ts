import { reservedDiskBytes } from '../engine/disk-room.ts';
import type { Store } from '../engine/store.ts';

/** Bytes that the disk of the data folder still has for us. */
export function freeDiskBytes(store: Store): number {
  const { bavail, bsize } = store.table.files.statfsSync(store.table.folder);
  return bavail * bsize;
}

/** What of it is kept for deletions and compaction: other writes are refused then. */
export function reserveBytesOf({ table, log }: Store): number {
  return reservedDiskBytes(table.files.statfsSync(table.folder), log.segmentBytes);
}

/**
 * Whether the disk holds what all namespaces have reserved when `name` reserves `maxBytes`: what is
 * reserved and not yet used must fit into what is free, beside what is kept for deletions.
 */
export function canReserve(store: Store, name: string, maxBytes: number): boolean {
  let missing = 0;
  for (const { settings, usedBytes } of store.namespaces.list()) {
    const reserved = settings.name === name ? maxBytes : settings.maxBytes;
    missing += Math.max(0, reserved - usedBytes);
  }
  return missing + reserveBytesOf(store) <= freeDiskBytes(store);
}
