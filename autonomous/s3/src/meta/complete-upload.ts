import { hash } from 'node:crypto';
import type { DatabaseSync } from 'node:sqlite';

import { compositeChecksum, fullObjectChecksum, multipartEtag } from '../protocol/checksum.ts';
import type { Checksum } from '../protocol/checksum.ts';
import { S3Error } from '../protocol/s3-error.ts';
import type { CompletedPart } from '../protocol/xml-requests.ts';
import { releasePart } from './bodies.ts';
import { markBody } from './body-marks.ts';
import { countGrowth, sameBucket } from './buckets.ts';
import type { Bucket, BucketRef } from './buckets.ts';
import type { LockState } from './lock-columns.ts';
import { defaultLock } from './locks.ts';
import type { LockRules } from './locks.ts';
import { parseId } from './object-ids.ts';
import { addVersion } from './put-version.ts';
import type { WriteRules } from './put-version.ts';
import { alter, rowOf } from './statements.ts';
import { forgetUpload, listParts, requireUpload, uploadedBytes } from './uploads.ts';
import type { ChecksumKind, Part, Upload, UploadRef } from './uploads.ts';
import type { StoredChecksum } from './versions.ts';

/** Smallest part but for the last, bytes. */
const partBytesMin = 5 << 20;
/** Highest number of a part. */
const partsMax = 10_000;
/** How long a completed upload is known, so that a repeated request gets the same answer. */
const completedMsMax = 7 * 86_400_000;
/** Completed uploads that one change forgets. */
const forgottenMax = 1000;

export interface Completion {
  /** In order, without repetitions. */
  readonly parts: readonly CompletedPart[];
  /** Of `ObjectIds`, for the version. */
  readonly id: Buffer;
  readonly nowMs: number;
  /** What the client says the object will have. */
  readonly expected: {
    readonly checksum: Checksum | undefined;
    readonly sizeBytes: number | undefined;
  };
}

/** What a client is told of the object, again when it asks again. */
export interface CompletedUpload {
  readonly versionId: string | undefined;
  readonly etag: string;
  readonly checksum: StoredChecksum | undefined;
  /** undefined of what was completed before this was kept. */
  readonly sizeBytes: number | undefined;
}

/** What the parts of an upload make together. */
interface Assembly {
  readonly upload: Upload;
  /** Of all parts that were uploaded. */
  readonly numbers: readonly number[];
  readonly parts: readonly Part[];
  readonly sizeBytes: number;
  readonly etag: string;
  readonly checksum: StoredChecksum | undefined;
  readonly lockState: LockState;
}

/**
 * Makes an object of the parts that are listed, and forgets the others. Asked again with the same list
 * within 7 days it answers the same, whatever became of the object.
 * @throws S3Error NoSuchBucket, NoSuchUpload, InvalidPart, EntityTooSmall, BadDigest,
 *XX */
export function completeUpload(
  db: DatabaseSync,
  ref: BucketRef,
  uploadRef: UploadRef,
  completion: Completion,
  rules: WriteRules,
): { readonly result: CompletedUpload; readonly isNew: boolean } {
  const bucket = sameBucket(db, ref);
  const listHash = hashOf(completion.parts);
  const before = findCompleted(db, bucket, uploadRef, listHash);
  if (before !== undefined) return { result: before, isNew: false };
  const assembly = assemble(db, bucket, uploadRef, completion, rules);
  const { upload, numbers, parts, sizeBytes, etag, checksum, lockState } = assembly;
  const { id, nowMs } = completion;
  countGrowth(db, bucket, { uploadBytes: -uploadedBytes(db, upload) });
  const { versionId } = addVersion(
    db,
    sameBucket(db, ref),
    {
      ...{ key: upload.key, id, sizeBytes, etag, modifiedMs: nowMs, headers: upload, checksum },
      ...{ partCount: parts.length, lockState },
    },
    rules,
    upload.body,
  );
  const kept = new Set(parts.map((part) => part.number));
  for (const number of numbers) if (!kept.has(number)) releasePart(db, upload.body, number);
  markBody(db, upload.body);
  forgetUpload(db, upload);
  const completed = { versionId, etag, checksum, sizeBytes };
  remember(db, upload, listHash, nowMs, completed);
  return { result: completed, isNew: true };
}

function assemble(
  db: DatabaseSync,
  bucket: Bucket,
  uploadRef: UploadRef,
  { parts: listed, nowMs, expected }: Completion,
  { latestMs = 0 }: LockRules,
): Assembly {
  const upload = requireUpload(db, bucket.no, uploadRef);
  const all = listParts(db, upload, { max: partsMax });
  const parts = chooseParts(all, listed, upload);
  const sizeBytes = parts.reduce((sum, part) => sum + part.sizeBytes, 0);
  if (expected.sizeBytes !== undefined && expected.sizeBytes !== sizeBytes) {
    const message = 'The provided x-amz-mp-object-size is not that of the parts.';
    throw new S3Error('InvalidRequest', message);
  }
  const checksum = checksumOf(parts, upload.checksum);
  checkExpected(checksum, expected.checksum);
  const { asked } = upload;
  const lock =
    asked.lock ?? (bucket.isLockable ? defaultLock(bucket, Math.max(nowMs, latestMs)) : undefined);
  return {
    ...{ upload, parts, sizeBytes, checksum, numbers: all.map(({ number }) => number) },
    etag: multipartEtag(parts.map((part) => part.etag)),
    lockState: { lock, legalHold: asked.legalHold },
  };
}

/** Whether there are uploads that were completed more than 7 days ago. */
export function hasForgettable(db: DatabaseSync, nowMs: number): boolean {
  const sql = 'SELECT 1 FROM s3_completed WHERE completed_ms < ? LIMIT 1';
  return rowOf(db, sql, nowMs - completedMsMax) !== undefined;
}

/** Forgets some of them. */
export function forgetCompleted(db: DatabaseSync, nowMs: number): void {
  const sql = `DELETE FROM s3_completed WHERE upload IN
    (SELECT upload FROM s3_completed WHERE completed_ms < ? ORDER BY completed_ms LIMIT ?)`;
  alter(db, sql, nowMs - completedMsMax, forgottenMax);
}

function hashOf(parts: readonly CompletedPart[]): Buffer {
  const list = parts.map(({ number, etag, checksum }) => [number, etag, checksum?.value]);
  return hash('sha256', JSON.stringify(list), 'buffer');
}

function findCompleted(
  db: DatabaseSync,
  { no }: Bucket,
  { key, uploadId }: UploadRef,
  listHash: Buffer,
): CompletedUpload | undefined {
  const id = parseId(uploadId);
  if (id === undefined) return undefined;
  const sql = `SELECT result FROM s3_completed
    WHERE upload = ? AND bucket = ? AND key = ? AND list_hash = ?`;
  const row = rowOf(db, sql, id, no, Buffer.from(key), listHash);
  if (row === undefined) return undefined;
  const { versionId, etag, checksum, sizeBytes }: CompletedUpload = JSON.parse(
    String(row['result']),
  );
  return { versionId, etag, checksum, sizeBytes };
}

function remember(
  db: DatabaseSync,
  { id, bucket, key }: Upload,
  listHash: Buffer,
  nowMs: number,
  completed: CompletedUpload,
): void {
  const result = JSON.stringify(completed);
  const insert = 'INSERT INTO s3_completed VALUES (?, ?, ?, ?, ?, ?)';
  alter(db, insert, id, bucket, Buffer.from(key), listHash, nowMs, result);
}

function chooseParts(
  all: readonly Part[],
  listed: readonly CompletedPart[],
  { checksum: kind }: Upload,
): readonly Part[] {
  const byNumber = new Map(all.map((part) => [part.number, part]));
  return listed.map(({ number, etag, checksum }, at) => {
    const part = byNumber.get(number);
    if (part?.etag !== etag) throw invalidPart(number, etag);
    if (checksum !== undefined && kind !== undefined) {
      const isSame = checksum.algorithm === kind.algorithm && checksum.value === part.checksum;
      if (!isSame) throw invalidPart(number, etag);
    }
    if (part.sizeBytes < partBytesMin && at < listed.length - 1) {
      const { sizeBytes } = part;
      throw new S3Error('EntityTooSmall', undefined, {
        elements: {
          ProposedSize: String(sizeBytes),
          MinSizeAllowed: String(partBytesMin),
          PartNumber: String(number),
          ETag: etag,
        },
      });
    }
    return part;
  });
}

/** Of parts that were all kept with one; undefined for other uploads. */
function checksumOf(
  parts: readonly Part[],
  kind: ChecksumKind | undefined,
): StoredChecksum | undefined {
  if (kind === undefined) return undefined;
  const { algorithm, type } = kind;
  const values: { value: string; sizeBytes: number }[] = [];
  for (const { checksum, sizeBytes } of parts) {
    if (checksum === undefined) return undefined;
    values.push({ value: checksum, sizeBytes });
  }
  if (type === 'COMPOSITE') {
    return { algorithm, type, value: compositeChecksum(algorithm, values) };
  }
  if (algorithm === 'SHA1' || algorithm === 'SHA256') return undefined;
  return { algorithm, type, value: fullObjectChecksum(algorithm, values) };
}

/** Clients say a composite checksum with the count of parts behind it, or without. */
function checkExpected(made: StoredChecksum | undefined, expected: Checksum | undefined): void {
  if (made === undefined || expected === undefined) return;
  const isSame =
    expected.algorithm === made.algorithm &&
    (expected.value === made.value || expected.value === made.value.replace(/-\d+$/, ''));
  if (isSame) return;
  throw new S3Error(
    'BadDigest',
    `The ${expected.algorithm} you specified did not match the calculated checksum.`,
  );
}

function invalidPart(number: number, etag: string): S3Error {
  return new S3Error('InvalidPart', undefined, {
    elements: { PartNumber: String(number), ETag: etag },
  });
}
