import type { DatabaseSync } from 'node:sqlite';

import { bytesOf } from '@commongrid/zstor';

import type { ObjectHeaders } from '../protocol/object-headers.ts';
import { S3Error } from '../protocol/s3-error.ts';
import { insertPart, releaseBody, releasePart } from './bodies.ts';
import type { NewBody, PartFacts } from './bodies.ts';
import { countGrowth, sameBucket } from './buckets.ts';
import type { BucketRef } from './buckets.ts';
import { lockStateOf, lockValues } from './lock-columns.ts';
import type { LockState } from './lock-columns.ts';
import { lockOfNew } from './locks.ts';
import type { LockRules } from './locks.ts';
import { idText, parseId } from './object-ids.ts';
import { nextSequence } from './s3-tables.ts';
import { alter, rowOf, rowsOf, textOf } from './statements.ts';
import type { Row } from './statements.ts';
import { checksumKindOf, headersColumn, keptHeadersOf, tagsColumn } from './versions.ts';
import type { KeptHeaders, StoredChecksum } from './versions.ts';

/** Which checksum an upload has, of its parts and of the whole. */
export type ChecksumKind = Pick<StoredChecksum, 'algorithm' | 'type'>;

export interface NewUpload {
  readonly key: string;
  /** Of `ObjectIds`. */
  readonly id: Buffer;
  /** Name of a user. */
  readonly owner: string;
  readonly startedMs: number;
  readonly headers: ObjectHeaders;
  readonly checksum: ChecksumKind | undefined;
}

/** An upload that is neither completed nor aborted. */
export interface Upload extends KeptHeaders {
  readonly bucket: number;
  readonly key: string;
  readonly id: Buffer;
  /** As clients know it. */
  readonly uploadId: string;
  readonly owner: string;
  readonly startedMs: number;
  readonly checksum: ChecksumKind | undefined;
  /** What the client asked for; where it did not, the bucket's lock is taken when it completes. */
  readonly asked: LockState;
  /** For `findBody`. */
  readonly body: number;
}

/** An upload as a client names it. */
export interface UploadRef {
  readonly key: string;
  readonly uploadId: string;
}

export interface NewPart extends PartFacts {
  /** 1 to 10,000. */
  readonly number: number;
  /** Blobs come with a reference each. */
  readonly body: NewBody;
}

export interface Part extends PartFacts {
  readonly number: number;
}

/** @throws S3Error NoSuchBucket, InvalidRequest, InvalidArgument */
export function createUpload(
  db: DatabaseSync,
  ref: BucketRef,
  upload: NewUpload,
  rules: LockRules,
): void {
  const bucket = sameBucket(db, ref);
  const { key, id, owner, startedMs, headers, checksum } = upload;
  lockOfNew(bucket, headers, startedMs, rules);
  alter(
    ...[db, 'INSERT INTO s3_uploads VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)'],
    ...[bucket.no, Buffer.from(key), id, nextSequence(db), owner, startedMs],
    ...[checksum?.algorithm ?? null, checksum?.type ?? null],
    ...[...lockValues(headers), tagsColumn(headers.tags), headersColumn(headers)],
  );
}

function findUpload(
  db: DatabaseSync,
  bucket: number,
  { key, uploadId }: UploadRef,
): Upload | undefined {
  const id = parseId(uploadId);
  if (id === undefined) return undefined;
  const sql = 'SELECT * FROM s3_uploads WHERE bucket = ? AND key = ? AND id = ?';
  const row = rowOf(db, sql, bucket, Buffer.from(key), id);
  return row && uploadOf(row);
}

/** @throws S3Error NoSuchUpload */
export function requireUpload(db: DatabaseSync, bucket: number, ref: UploadRef): Upload {
  const upload = findUpload(db, bucket, ref);
  if (upload !== undefined) return upload;
  const elements = { UploadId: ref.uploadId };
  throw new S3Error('NoSuchUpload', undefined, { elements });
}

/**
 * Keeps a part; one of the same number is replaced.
 * @throws S3Error NoSuchBucket, NoSuchUpload, QuotaExceeded
 */
export function putPart(
  db: DatabaseSync,
  ref: BucketRef,
  uploadRef: UploadRef,
  part: NewPart,
): void {
  const bucket = sameBucket(db, ref);
  const { body } = requireUpload(db, bucket.no, uploadRef);
  const sql = 'SELECT sum(size_bytes) AS bytes FROM s3_parts WHERE body = ? AND part = ?';
  const before = Number(rowOf(db, sql, body, part.number)?.['bytes'] ?? 0);
  countGrowth(db, bucket, { uploadBytes: part.sizeBytes - before });
  releasePart(db, body, part.number);
  insertPart(db, body, part.number, part.body, part);
}

/** Parts of an upload whose numbers are above `after`, in order. */
export function listParts(
  db: DatabaseSync,
  upload: Upload,
  { after = 0, max }: { readonly after?: number; readonly max: number },
): readonly Part[] {
  // Each column but the sum stands in one row of a part alone.
  const sql = `SELECT part, sum(size_bytes) AS size_bytes, max(etag) AS etag,
    max(checksum) AS checksum, max(modified_ms) AS modified_ms
    FROM s3_parts WHERE body = ? AND part > ? GROUP BY part ORDER BY part LIMIT ?`;
  return rowsOf(db, sql, upload.body, after, max).map((row) => ({
    number: Number(row['part']),
    sizeBytes: Number(row['size_bytes']),
    etag: String(row['etag']),
    checksum: textOf(row['checksum']),
    modifiedMs: Number(row['modified_ms']),
  }));
}

/** @throws S3Error NoSuchBucket, NoSuchUpload */
export function abortUpload(db: DatabaseSync, ref: BucketRef, uploadRef: UploadRef): void {
  const bucket = sameBucket(db, ref);
  const upload = requireUpload(db, bucket.no, uploadRef);
  countGrowth(db, bucket, { uploadBytes: -uploadedBytes(db, upload) });
  releaseBody(db, upload.body);
  forgetUpload(db, upload);
}

/** Bytes of all parts of an upload. */
export function uploadedBytes(db: DatabaseSync, { body }: Upload): number {
  const sql = 'SELECT sum(size_bytes) AS bytes FROM s3_parts WHERE body = ?';
  return Number(rowOf(db, sql, body)?.['bytes'] ?? 0);
}

/** Takes the row of an upload away, and not its body. */
export function forgetUpload(db: DatabaseSync, { bucket, key, id }: Upload): void {
  const sql = 'DELETE FROM s3_uploads WHERE bucket = ? AND key = ? AND id = ?';
  alter(db, sql, bucket, Buffer.from(key), id);
}

export function uploadOf(row: Row): Upload {
  const id = bytesOf(row['id']);
  return {
    bucket: Number(row['bucket']),
    key: bytesOf(row['key']).toString('utf8'),
    id,
    uploadId: idText(id),
    owner: String(row['owner']),
    startedMs: Number(row['started_ms']),
    checksum: checksumKindOf(row),
    asked: lockStateOf(row),
    body: Number(row['body']),
    ...keptHeadersOf(row),
  };
}
