import type { Membership, SnapshotNote } from './chain.ts';
import type { TlogCipher } from './tlog-cipher.ts';
import { extentKey, membershipKey, snapshotsKey } from './tlog-member.ts';
import type { TlogEntry } from './tlog-member.ts';

/** Which part of the log a member has. */
export interface Extent {
  /** Up to here it was removed, since snapshots have it. */
  readonly removedTo: number;
  /** From there up to here nothing is missing, and all of it is on a majority. */
  readonly filledTo: number;
}

/** What members keep beside the log, sealed: what would be long to find in it. */
export function membershipEntry(cipher: TlogCipher, membership: Membership): TlogEntry {
  return noteEntry(cipher, membershipKey, membership);
}

/** @throws ZSTOR_CATALOG_RECORD_CORRUPT */
export function openMembership(cipher: TlogCipher, value: Buffer): Membership {
  const membership: Membership = JSON.parse(openNote(cipher, membershipKey, value));
  return membership;
}

/** @param snapshots newest first */
export function snapshotsEntry(cipher: TlogCipher, snapshots: readonly SnapshotNote[]): TlogEntry {
  return noteEntry(cipher, snapshotsKey, snapshots);
}

/** @throws ZSTOR_CATALOG_RECORD_CORRUPT */
export function openSnapshots(
  cipher: TlogCipher,
  value: Buffer | undefined,
): readonly SnapshotNote[] {
  if (value === undefined) return [];
  const snapshots: SnapshotNote[] = JSON.parse(openNote(cipher, snapshotsKey, value));
  return snapshots;
}

export function extentEntry(cipher: TlogCipher, extent: Extent): TlogEntry {
  return noteEntry(cipher, extentKey, extent);
}

/** @throws ZSTOR_CATALOG_RECORD_CORRUPT */
export function openExtent(cipher: TlogCipher, value: Buffer | undefined): Extent {
  if (value === undefined) return { removedTo: 0, filledTo: 0 };
  const extent: Extent = JSON.parse(openNote(cipher, extentKey, value));
  return extent;
}

function noteEntry(cipher: TlogCipher, key: Buffer, note: unknown): TlogEntry {
  return { key, value: cipher.sealNote(key.toString(), Buffer.from(JSON.stringify(note))) };
}

function openNote(cipher: TlogCipher, key: Buffer, value: Buffer): string {
  return cipher.openNote(key.toString(), value).toString();
}
