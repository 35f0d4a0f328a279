import type { DatabaseSync } from 'node:sqlite';

import { judgeWrite } from '../protocol/conditions.ts';
import { countGrowth, sameBucket } from './buckets.ts';
import type { Bucket, BucketRef } from './buckets.ts';
import { requireUnlocked } from './locks.ts';
import { dropVersion, replacedBy } from './put-version.ts';
import type { WriteRules } from './put-version.ts';
import { idText } from './object-ids.ts';
import { nextSequence } from './s3-tables.ts';
import { findCurrent, findVersion, insertLatest } from './versions.ts';
import type { Version } from './versions.ts';

export interface ObjectDeletion {
  readonly key: string;
  /** The version to take away; undefined hides the current one, or takes it away without versions. */
  readonly versionId: string | undefined;
  /** Of `ObjectIds`, for the delete marker that this may make. */
  readonly markerId: Buffer;
  readonly nowMs: number;
}

export interface DeletedObject {
  /** Of the version that is gone, or of the marker that was made. */
  readonly versionId: string | undefined;
  /** Whether that is a delete marker. */
  readonly isMarker: boolean;
  /** The version that is gone. */
  readonly removed: Version | undefined;
}

/**
 * Deletes an object or a version, if the conditions hold for the current version and no lock says no.
 * What is not there is deleted already.
 * @throws S3Error NoSuchBucket, PreconditionFailed, NoSuchKey, AccessDenied, InvalidArgument
 */
export function deleteObject(
  db: DatabaseSync,
  ref: BucketRef,
  deletion: ObjectDeletion,
  rules: WriteRules,
): DeletedObject {
  const bucket = sameBucket(db, ref);
  const { key, versionId } = deletion;
  const current = findCurrent(db, bucket.no, key);
  judgeWrite(rules.conditions, current?.isMarker === true ? undefined : current);
  if (versionId !== undefined) {
    const version = findVersion(db, bucket.no, key, versionId);
    if (version !== undefined) removeUnlocked(db, bucket, version, rules);
    return { versionId, isMarker: version?.isMarker === true, removed: version };
  }
  const isNull = bucket.versioning !== 'enabled';
  const removed = isNull ? replacedBy(db, bucket, key, current) : undefined;
  if (removed !== undefined) removeUnlocked(db, bucket, removed, rules);
  if (bucket.versioning === 'off') return { versionId: undefined, isMarker: false, removed };
  insertMarker(db, bucket, deletion, isNull);
  return { versionId: isNull ? 'null' : idText(deletion.markerId), isMarker: true, removed };
}

function removeUnlocked(
  db: DatabaseSync,
  bucket: Bucket,
  version: Version,
  rules: WriteRules,
): void {
  if (!version.isMarker) {
    requireUnlocked(version, rules);
    countGrowth(db, bucket, { objects: -1, bytes: -version.sizeBytes });
  }
  dropVersion(db, version);
}

function insertMarker(
  db: DatabaseSync,
  { no }: Bucket,
  { key, markerId, nowMs }: ObjectDeletion,
  isNull: boolean,
): void {
  insertLatest(db, {
    ...{ bucket: no, key, sequence: nextSequence(db), id: markerId, isNull, isMarker: true },
    ...{ sizeBytes: 0, etag: '', modifiedMs: nowMs, checksum: undefined, partCount: undefined },
    ...{ body: undefined, system: {}, user: {}, tags: [], lock: undefined, legalHold: undefined },
  });
}
