import type { DatabaseSync } from 'node:sqlite';

import { releaseManifest } from '@commongrid/zstor';

import { judgeWrite } from '../protocol/conditions.ts';
import type { Headers, ObjectHeaders } from '../protocol/object-headers.ts';
import { insertBody, releaseBody } from './bodies.ts';
import type { NewBody } from './bodies.ts';
import { countGrowth, sameBucket } from './buckets.ts';
import type { Bucket, BucketRef } from './buckets.ts';
import type { LockState } from './lock-columns.ts';
import { lockOfNew, requireUnlocked } from './locks.ts';
import type { LockRules } from './locks.ts';
import { idText } from './object-ids.ts';
import { nextSequence } from './s3-tables.ts';
import { findCurrent, findNull, insertLatest, removeVersion } from './versions.ts';
import type { KeptHeaders, StoredChecksum, Version } from './versions.ts';

/** An object that is to be the current version of its key. */
export interface NewVersion {
  readonly key: string;
  /** Of `ObjectIds`: 16 bytes. */
  readonly id: Buffer;
  readonly sizeBytes: number;
  /** Without quotes. */
  readonly etag: string;
  readonly modifiedMs: number;
  readonly headers: ObjectHeaders;
  readonly checksum: StoredChecksum | undefined;
  readonly body: NewBody;
}

export interface WriteRules extends LockRules {
  /** Headers of the request, or those of them that are conditions. */
  readonly conditions: Headers;
}

export interface PutVersion {
  /** undefined while the bucket never had versions. */
  readonly versionId: string | undefined;
  readonly sequence: number;
}

/**
 * Makes an object the current version of its key, if the conditions hold now. Without versioning, or
 * while it is suspended, it takes the place of the null version. Blobs of its body come with one
 * reference each; those of what it replaces lose one.
 * @throws S3Error NoSuchBucket, PreconditionFailed, NoSuchKey, AccessDenied, QuotaExceeded,
 *   InvalidRequest, InvalidArgument
 */
export function putVersion(
  db: DatabaseSync,
  ref: BucketRef,
  version: NewVersion,
  rules: WriteRules,
): PutVersion {
  const bucket = sameBucket(db, ref);
  const { body: newBody, ...rest } = version;
  const lockState = lockOfNew(bucket, version.headers, version.modifiedMs, rules);
  const added = addVersion(db, bucket, { ...rest, lockState, partCount: undefined }, rules);
  insertBody(db, added.sequence, newBody);
  return added;
}

/** A version whose lock was found, and whose body is there or made by the caller. */
export interface AddedVersion extends Omit<NewVersion, 'body' | 'headers'> {
  readonly headers: KeptHeaders;
  readonly lockState: LockState;
  readonly partCount: number | undefined;
}

/**
 * As `putVersion`, without making a body.
 * @param bodyNo default: the sequence of the version
 */
export function addVersion(
  db: DatabaseSync,
  bucket: Bucket,
  version: AddedVersion,
  rules: WriteRules,
  bodyNo?: number,
): PutVersion {
  const { key, id, sizeBytes, etag, modifiedMs, headers, checksum, partCount, lockState } = version;
  const current = findCurrent(db, bucket.no, key);
  judgeWrite(rules.conditions, current?.isMarker === true ? undefined : current);
  const isNull = bucket.versioning !== 'enabled';
  const replaced = isNull ? replacedBy(db, bucket, key, current) : undefined;
  if (replaced !== undefined) requireUnlocked(replaced, { datesMs: rules.datesMs });
  const wasObject = replaced !== undefined && !replaced.isMarker;
  countGrowth(db, bucket, {
    objects: wasObject ? 0 : 1,
    bytes: sizeBytes - (replaced?.sizeBytes ?? 0),
  });
  if (replaced !== undefined) dropVersion(db, replaced);
  const sequence = nextSequence(db);
  insertLatest(db, {
    ...{ bucket: bucket.no, key, sequence, id, isNull, isMarker: false },
    ...{ sizeBytes, etag, modifiedMs, checksum, partCount, body: bodyNo ?? sequence },
    ...{ system: headers.system, user: headers.user, tags: headers.tags },
    ...lockState,
  });
  return { versionId: toldVersionId(bucket, isNull, id), sequence };
}

/** What clients are told of the version that was made. */
function toldVersionId({ versioning }: Bucket, isNull: boolean, id: Buffer): string | undefined {
  if (versioning === 'off') return undefined;
  return isNull ? 'null' : idText(id);
}

/** The null version, to be replaced; in a bucket that never had versions it is the only one. */
export function replacedBy(
  db: DatabaseSync,
  bucket: Bucket,
  key: string,
  current: Version | undefined,
): Version | undefined {
  if (current === undefined || current.isNull) return current;
  return bucket.versioning === 'off' ? undefined : findNull(db, bucket.no, key);
}

/** Takes a version away with its body and its manifest; what it counted is the caller's. */
export function dropVersion(db: DatabaseSync, version: Version): void {
  removeVersion(db, version);
  if (version.body === undefined) return;
  releaseBody(db, version.body);
  releaseManifest(db, version.id);
}
