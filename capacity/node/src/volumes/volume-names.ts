import assert from 'node:assert/strict';

import { GridError } from '@commongrid/base';

import type { NodeErrorCode } from '../errors.ts';
import { snapshotsMax, volumeBytesMin } from './volumes.ts';
import type { PoolRoom } from './volumes.ts';

/** What a pool holds for a workload: a volume, or what a container writes over its image. */
export type DiskKind = 'v' | 'r';

/**
 * Names in a pool: kind and short id. Those with one of the other letters are on their way, and what
 * becomes of them after a kill is decided by the letter alone:
 *
 *     v-ID  r-ID   whole
 *     s-ID/NAME    snapshots of a volume
 *     t-v-ID ...   not finished: deleted
 *     n-ID         files of a backup, complete: take the place of v-ID
 *     o-ID         the volume that n-ID replaces: deleted
 */
export function diskName(kind: DiskKind, id: string): string {
  assert(/^[0-9a-f]{12}$/.test(id), `${id} is no short id`);
  return `${kind}-${id}`;
}

/** Short ids of one kind, sorted. */
export function idsOf(kind: DiskKind, names: readonly string[]): readonly string[] {
  const ids = names.map((name) => /^([vr])-([0-9a-f]{12})$/.exec(name));
  return ids.flatMap((found) => (found?.[1] === kind ? [found[2] ?? ''] : [])).toSorted();
}

/** @throws NODE_CONFIG_INVALID */
export function checkSnapshotName(name: string): void {
  if (/^[a-z0-9][a-z0-9._-]{0,62}$/.test(name)) return;
  throw new GridError<NodeErrorCode>(
    'NODE_CONFIG_INVALID',
    `${JSON.stringify(name)} is no name for a snapshot`,
    { hint: 'use up to 63 of a-z, 0-9, dot, dash and underscore', details: { name } },
  );
}

/** @throws NODE_CONFIG_INVALID */
export function checkSize(sizeBytes: number): void {
  if (Number.isSafeInteger(sizeBytes) && sizeBytes >= volumeBytesMin) return;
  throw new GridError<NodeErrorCode>(
    'NODE_CONFIG_INVALID',
    `a volume cannot have ${sizeBytes} bytes: ${volumeBytesMin} at least`,
    { details: { sizeBytes, volumeBytesMin } },
  );
}

export function volumeUnknown(id: string): GridError<NodeErrorCode> {
  return new GridError('NODE_VOLUME_UNKNOWN', `there is no volume ${id}`, { details: { id } });
}

export function snapshotUnknown(id: string, name: string): GridError<NodeErrorCode> {
  return new GridError('NODE_SNAPSHOT_UNKNOWN', `volume ${id} has no snapshot ${name}`, {
    details: { id, name },
  });
}

export function tooManySnapshots(id: string): GridError<NodeErrorCode> {
  return new GridError('NODE_SNAPSHOT_LIMIT', `volume ${id} has ${snapshotsMax} snapshots`, {
    hint: 'drop one of them',
    details: { id, snapshotsMax },
  });
}

/** @throws NODE_VOLUME_SHRINK */
export function checkGrows(name: string, fromBytes: number, toBytes: number): void {
  if (toBytes >= fromBytes) return;
  throw new GridError<NodeErrorCode>(
    'NODE_VOLUME_SHRINK',
    `${name} has ${fromBytes} bytes and cannot have ${toBytes}`,
    { hint: 'make a smaller one, and copy the files', details: { name, fromBytes, toBytes } },
  );
}

export function volumeFull(name: string, cause: unknown): GridError<NodeErrorCode> {
  return new GridError('NODE_VOLUME_FULL', `what is to be copied does not fit into ${name}`, {
    hint: 'make it larger',
    details: { name },
    cause,
  });
}

export function volumeBusy(name: string, cause: unknown): GridError<NodeErrorCode> {
  return new GridError('NODE_VOLUME_BUSY', `${name} is in use`, {
    hint: 'stop the containers that have it',
    retryable: true,
    details: { name },
    cause,
  });
}

/** @throws NODE_ROOM_MISSING */
export function checkRoom({ sizeBytes, promisedBytes, freeBytes }: PoolRoom, more: number): void {
  if (more <= freeBytes) return;
  throw new GridError<NodeErrorCode>(
    'NODE_ROOM_MISSING',
    `${more} bytes are asked for, and ${freeBytes} of ${sizeBytes} are free for volumes`,
    {
      hint: 'remove a volume, or make the pool larger',
      details: { more, sizeBytes, promisedBytes },
    },
  );
}

/** Whether a program said that there was no room for more. */
export function isFull(error: unknown): boolean {
  return /No space left on device|Disk quota exceeded|ENOSPC|EDQUOT/.test(String(error));
}
