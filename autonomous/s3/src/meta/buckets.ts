import type { DatabaseSync } from 'node:sqlite';

import { S3Error } from '../protocol/s3-error.ts';
import type { DefaultRetention } from '../protocol/xml-requests.ts';
import { modeNumber, modeOf } from './lock-columns.ts';
import { nextSequence } from './s3-tables.ts';
import { alter, numberOf, rowOf, rowsOf } from './statements.ts';
import type { Row } from './statements.ts';

/** Buckets of one store, as an account of AWS has them. */
const bucketsMax = 10_000;

const versionings = ['off', 'enabled', 'suspended'] as const;
export type Versioning = (typeof versionings)[number];

/** A bucket as somebody saw it: another one may have its name by now, never its number. */
export interface BucketRef {
  readonly name: string;
  readonly no: number;
}

export interface Bucket extends BucketRef {
  /** Name of a user. */
  readonly owner: string;
  readonly createdMs: number;
  /** Which key wraps those of its blobs. */
  readonly keyNo: number;
  readonly versioning: Versioning;
  /** Object Lock was enabled, which nothing takes back. */
  readonly isLockable: boolean;
  readonly retention: DefaultRetention | undefined;
  readonly quota: Quota;
  /** Versions that are no markers. */
  readonly objects: number;
  /** Of all versions. */
  readonly bytes: number;
  /** Of parts of uploads that are not completed. */
  readonly uploadBytes: number;
}

export interface Quota {
  /** Of versions and parts of uploads. */
  readonly bytes: number | undefined;
  readonly objects: number | undefined;
}

/** What a bucket is configured with besides its row, by kind; the form is that of who writes it. */
export type DocumentKind = 'cors' | 'encryption' | 'lifecycle' | 'policy' | 'tags';

export interface NewBucket {
  readonly name: string;
  readonly owner: string;
  readonly createdMs: number;
  readonly keyNo: number;
  /** With Object Lock a bucket has versions from the start. */
  readonly isLockable: boolean;
}

/** @throws S3Error BucketAlreadyExists, BucketAlreadyOwnedByYou, TooManyBuckets */
export function createBucket(db: DatabaseSync, bucket: NewBucket): BucketRef {
  const { name, owner, createdMs, keyNo, isLockable } = bucket;
  checkNameIsFree(db, name, owner);
  const count = Number(rowOf(db, 'SELECT count(*) AS n FROM s3_buckets')?.['n']);
  if (count >= bucketsMax) throw new S3Error('TooManyBuckets');
  const no = nextSequence(db);
  insertBucket(db, {
    ...{ name, no, owner, createdMs, keyNo, isLockable },
    ...{ versioning: isLockable ? 'enabled' : 'off', retention: undefined },
    quota: { bytes: undefined, objects: undefined },
  });
  return { name, no };
}

/** Writes the row of a bucket that has nothing in it. */
export function insertBucket(
  db: DatabaseSync,
  bucket: Omit<Bucket, 'objects' | 'bytes' | 'uploadBytes'>,
): void {
  const { name, no, owner, createdMs, keyNo, versioning, isLockable, retention, quota } = bucket;
  alter(
    ...[db, 'INSERT INTO s3_buckets VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, 0, 0)'],
    ...[name, no, owner, createdMs, keyNo, versionings.indexOf(versioning), Number(isLockable)],
    ...[modeNumber(retention?.mode), retention?.days ?? null, retention?.years ?? null],
    ...[quota.bytes ?? null, quota.objects ?? null],
  );
}

/** @throws S3Error BucketAlreadyExists, BucketAlreadyOwnedByYou */
export function checkNameIsFree(db: DatabaseSync, name: string, owner: string): void {
  const known = findBucket(db, name);
  if (known === undefined) return;
  throw new S3Error(known.owner === owner ? 'BucketAlreadyOwnedByYou' : 'BucketAlreadyExists');
}

export function findBucket(db: DatabaseSync, name: string): Bucket | undefined {
  const row = rowOf(db, 'SELECT * FROM s3_buckets WHERE name = ?', name);
  return row && bucketOf(row);
}

/** By its number; this reads all of them. */
export function findBucketByNo(db: DatabaseSync, no: number): Bucket | undefined {
  const row = rowOf(db, 'SELECT * FROM s3_buckets WHERE no = ?', no);
  return row && bucketOf(row);
}

/** @throws S3Error NoSuchBucket */
export function requireBucket(db: DatabaseSync, name: string): Bucket {
  const bucket = findBucket(db, name);
  if (bucket === undefined) throw noSuchBucket(name);
  return bucket;
}

/** The bucket that `ref` is, as it is now. @throws S3Error NoSuchBucket when it was deleted */
export function sameBucket(db: DatabaseSync, ref: BucketRef): Bucket {
  const bucket = requireBucket(db, ref.name);
  if (bucket.no !== ref.no) throw noSuchBucket(ref.name);
  return bucket;
}

/** Buckets in the order of their names, those behind `after`. */
export function listBuckets(
  db: DatabaseSync,
  { prefix = '', after = '', max }: { prefix?: string; after?: string; max: number },
): readonly Bucket[] {
  const sql = `SELECT * FROM s3_buckets WHERE name > ? AND substr(name, 1, length(?)) = ?
    ORDER BY name LIMIT ?`;
  return rowsOf(db, sql, after, prefix, prefix, max).map(bucketOf);
}

/**
 * Deletes a bucket without versions; uploads that nobody completed go along.
 * @throws S3Error NoSuchBucket, BucketNotEmpty
 */
export function deleteBucket(db: DatabaseSync, ref: BucketRef): void {
  const { no, name } = sameBucket(db, ref);
  if (rowOf(db, 'SELECT 1 FROM s3_versions WHERE bucket = ? LIMIT 1', no) !== undefined) {
    throw new S3Error('BucketNotEmpty');
  }
  alter(db, 'INSERT INTO s3_released SELECT body FROM s3_uploads WHERE bucket = ?', no);
  alter(db, 'DELETE FROM s3_uploads WHERE bucket = ?', no);
  alter(db, 'DELETE FROM s3_documents WHERE bucket = ?', no);
  alter(db, 'DELETE FROM s3_buckets WHERE name = ?', name);
}

/** @throws S3Error InvalidBucketState: with Object Lock versions cannot be suspended */
export function setVersioning(
  db: DatabaseSync,
  ref: BucketRef,
  versioning: Exclude<Versioning, 'off'>,
): void {
  const { name, isLockable } = sameBucket(db, ref);
  if (isLockable && versioning === 'suspended') {
    throw new S3Error(
      'InvalidBucketState',
      'An Object Lock configuration is present on this bucket, so the versioning state cannot be changed.',
    );
  }
  const value = versionings.indexOf(versioning);
  alter(db, 'UPDATE s3_buckets SET versioning = ? WHERE name = ?', value, name);
}

/**
 * Enables Object Lock, for ever, and sets what locks new versions without a lock of their own.
 * @throws S3Error InvalidBucketState for a bucket without versions
 */
export function setObjectLock(
  db: DatabaseSync,
  ref: BucketRef,
  retention: DefaultRetention | undefined,
): void {
  const { name, versioning } = sameBucket(db, ref);
  if (versioning !== 'enabled') {
    throw new S3Error(
      'InvalidBucketState',
      'Versioning must be "Enabled" on the bucket to apply a Object Lock configuration',
    );
  }
  const sql = `UPDATE s3_buckets SET is_lockable = 1, lock_mode = ?, lock_days = ?, lock_years = ?
    WHERE name = ?`;
  const { mode, days = null, years = null } = retention ?? {};
  alter(db, sql, modeNumber(mode), days, years, name);
}

export function setQuota(db: DatabaseSync, ref: BucketRef, { bytes, objects }: Quota): void {
  const { name } = sameBucket(db, ref);
  const sql = 'UPDATE s3_buckets SET quota_bytes = ?, quota_objects = ? WHERE name = ?';
  alter(db, sql, bytes ?? null, objects ?? null, name);
}

export function findDocument(
  db: DatabaseSync,
  { no }: BucketRef,
  kind: DocumentKind,
): string | undefined {
  const sql = 'SELECT document FROM s3_documents WHERE bucket = ? AND kind = ?';
  const row = rowOf(db, sql, no, kind);
  return row && String(row['document']);
}

/** undefined takes the document away. */
export function setDocument(
  db: DatabaseSync,
  ref: BucketRef,
  kind: DocumentKind,
  document: string | undefined,
): void {
  const { no } = sameBucket(db, ref);
  if (document === undefined) {
    alter(db, 'DELETE FROM s3_documents WHERE bucket = ? AND kind = ?', no, kind);
  } else {
    alter(db, 'INSERT OR REPLACE INTO s3_documents VALUES (?, ?, ?)', no, kind, document);
  }
}

/** What a change does to the counters of a bucket. */
export interface Growth {
  readonly objects?: number;
  readonly bytes?: number;
  readonly uploadBytes?: number;
}

/**
 * Counts what a change adds and takes away.
 * @throws S3Error QuotaExceeded when more is there afterwards than before, and than is allowed
 */
export function countGrowth(db: DatabaseSync, bucket: Bucket, growth: Growth): void {
  const { objects = 0, bytes = 0, uploadBytes = 0 } = growth;
  const { quota } = bucket;
  const total = bucket.bytes + bucket.uploadBytes + bytes + uploadBytes;
  const isFull =
    (bytes + uploadBytes > 0 && quota.bytes !== undefined && total > quota.bytes) ||
    (objects > 0 && quota.objects !== undefined && bucket.objects + objects > quota.objects);
  if (isFull) throw new S3Error('QuotaExceeded');
  if (objects === 0 && bytes === 0 && uploadBytes === 0) return;
  const sql = `UPDATE s3_buckets SET objects = objects + ?, bytes = bytes + ?,
    upload_bytes = upload_bytes + ? WHERE name = ?`;
  alter(db, sql, objects, bytes, uploadBytes, bucket.name);
}

function bucketOf(row: Row): Bucket {
  const mode = modeOf(row['lock_mode']);
  const [days, years] = [numberOf(row['lock_days']), numberOf(row['lock_years'])];
  return {
    name: String(row['name']),
    no: Number(row['no']),
    owner: String(row['owner']),
    createdMs: Number(row['created_ms']),
    keyNo: Number(row['key_no']),
    versioning: versionings[Number(row['versioning'])] ?? 'off',
    isLockable: row['is_lockable'] === 1,
    retention: mode && { mode, days, years },
    quota: { bytes: numberOf(row['quota_bytes']), objects: numberOf(row['quota_objects']) },
    objects: Number(row['objects']),
    bytes: Number(row['bytes']),
    uploadBytes: Number(row['upload_bytes']),
  };
}

function noSuchBucket(name: string): S3Error {
  return new S3Error('NoSuchBucket', undefined, { elements: { BucketName: name } });
}
