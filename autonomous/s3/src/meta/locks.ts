import type { DatabaseSync } from 'node:sqlite';

import type { ObjectLock } from '../protocol/object-headers.ts';
import { S3Error } from '../protocol/s3-error.ts';
import { sameBucket } from './buckets.ts';
import type { Bucket, BucketRef } from './buckets.ts';
import type { LockState } from './lock-columns.ts';
import { requireObject, setLockState } from './versions.ts';
import type { Version } from './versions.ts';

/** Longest retention, ms: a hundred years, as at AWS. */
const retentionMsMax = 36_500 * 86_400_000;

/** By what dates and rights of the caller a lock is judged. */
export interface LockRules {
  /** What `Catalog.datesMs` says; undefined while nobody can be sure: then no lock has ended. */
  readonly datesMs: number | undefined;
  /** What `Catalog.latestDateMs` says: when a retention of so many days begins. Default: when it is made. */
  readonly latestMs?: number;
  /** The caller asked to bypass governance, and may do so. */
  readonly bypassesGovernance?: boolean;
}

/** Whether a version may be neither deleted nor replaced. */
function isLocked({ lock, legalHold }: LockState, rules: LockRules): boolean {
  if (legalHold === true) return true;
  if (lock === undefined || hasEnded(lock, rules)) return false;
  return lock.mode === 'COMPLIANCE' || rules.bypassesGovernance !== true;
}

/** @throws S3Error AccessDenied */
export function requireUnlocked(state: LockState, rules: LockRules): void {
  if (!isLocked(state, rules)) return;
  throw new S3Error('AccessDenied', 'Access Denied because object protected by object lock.');
}

/**
 * The lock of a version that is made: its own, or that of the bucket.
 * @throws S3Error InvalidRequest where the bucket has no Object Lock, InvalidArgument
 */
export function lockOfNew(
  bucket: Bucket,
  asked: LockState,
  modifiedMs: number,
  { datesMs, latestMs = 0 }: LockRules,
): LockState {
  const { lock, legalHold } = asked;
  const beginMs = Math.max(modifiedMs, latestMs);
  if (lock === undefined && legalHold === undefined) {
    return { lock: bucket.isLockable ? defaultLock(bucket, beginMs) : undefined, legalHold };
  }
  requireLockable(bucket);
  if (lock !== undefined) checkTerm(lock, datesMs ?? modifiedMs);
  return { lock: lock ?? defaultLock(bucket, beginMs), legalHold };
}

/**
 * Sets, extends, or takes away a retention. What shortens one, or makes it milder, needs a retention
 * that has ended, or one of governance and the right to bypass it.
 * @throws S3Error AccessDenied, InvalidRequest, InvalidArgument, NoSuchKey, NoSuchVersion,
 *   MethodNotAllowed
 */
export function setRetention(
  db: DatabaseSync,
  ref: BucketRef,
  object: { readonly key: string; readonly versionId: string | undefined },
  lock: ObjectLock | undefined,
  rules: LockRules,
): Version {
  const version = requireLockableObject(db, ref, object);
  if (lock !== undefined && rules.datesMs !== undefined) checkTerm(lock, rules.datesMs);
  if (version.lock !== undefined && !isAtLeast(lock, version.lock)) {
    requireUnlocked({ lock: version.lock, legalHold: undefined }, rules);
  }
  setLockState(db, version, { lock, legalHold: version.legalHold });
  return version;
}

/** @throws S3Error InvalidRequest, NoSuchKey, NoSuchVersion, MethodNotAllowed */
export function setLegalHold(
  db: DatabaseSync,
  ref: BucketRef,
  object: { readonly key: string; readonly versionId: string | undefined },
  isHeld: boolean,
): Version {
  const version = requireLockableObject(db, ref, object);
  setLockState(db, version, { lock: version.lock, legalHold: isHeld });
  return version;
}

/** @throws S3Error InvalidRequest */
export function requireLockable({ isLockable }: Bucket): void {
  if (!isLockable) {
    throw new S3Error('InvalidRequest', 'Bucket is missing Object Lock Configuration');
  }
}

function requireLockableObject(
  db: DatabaseSync,
  ref: BucketRef,
  { key, versionId }: { readonly key: string; readonly versionId: string | undefined },
): Version {
  const bucket = sameBucket(db, ref);
  requireLockable(bucket);
  return requireObject(db, bucket.no, key, versionId);
}

/** Whether `next` holds as long as `lock`, and as firmly. */
function isAtLeast(next: ObjectLock | undefined, lock: ObjectLock): boolean {
  return next?.mode === lock.mode && next.retainUntilMs >= lock.retainUntilMs;
}

function hasEnded({ retainUntilMs }: ObjectLock, { datesMs }: LockRules): boolean {
  return datesMs !== undefined && datesMs >= retainUntilMs;
}

function checkTerm({ retainUntilMs }: ObjectLock, nowMs: number): void {
  if (retainUntilMs <= nowMs) {
    throw new S3Error('InvalidArgument', 'The retain until date must be in the future!');
  }
  if (retainUntilMs > nowMs + retentionMsMax) {
    throw new S3Error('InvalidArgument', 'The retain until date must be within 100 years.');
  }
}

/** The lock that a bucket gives to versions without one. */
export function defaultLock({ retention }: Bucket, beginMs: number): ObjectLock | undefined {
  if (retention === undefined) return undefined;
  const { mode, days = 0, years = 0 } = retention;
  const until = new Date(beginMs);
  until.setUTCFullYear(until.getUTCFullYear() + years);
  return { mode, retainUntilMs: until.getTime() + days * 86_400_000 };
}
