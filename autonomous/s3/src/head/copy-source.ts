import type { DatabaseSync } from 'node:sqlite';

import { requireBucket } from '../meta/buckets.ts';
import type { Bucket } from '../meta/buckets.ts';
import { requireObject } from '../meta/versions.ts';
import type { Version } from '../meta/versions.ts';
import { parseCopySource } from '../protocol/address.ts';
import { judgeCopySource } from '../protocol/conditions.ts';
import { S3Error } from '../protocol/s3-error.ts';
import type { S3Request } from '../protocol/s3-request.ts';
import { read } from './head-context.ts';
import type { HeadContext } from './head-context.ts';
import { findReadable } from './stored-body.ts';
import type { Readable } from './stored-body.ts';

/** Longest object, or range, that one copy makes, bytes: 5 GiB, as at AWS. */
export const copyBytesMax: number = 5 * 2 ** 30;

/** What a copy is made of, as it was found. */
export interface CopySourceFound {
  readonly bucket: Bucket;
  readonly object: Version;
  /** Whether the client named the version. */
  readonly isNamed: boolean;
}

/**
 * For `read` and changes: the object that x-amz-copy-source names, if its conditions hold.
 * @throws S3Error InvalidArgument, NoSuchBucket, NoSuchKey, NoSuchVersion, InvalidRequest,
 *   PreconditionFailed
 */
export function findCopySource(db: DatabaseSync, { headers }: S3Request): CopySourceFound {
  const { bucket: name, key, versionId } = parseCopySource(String(headers['x-amz-copy-source']));
  const bucket = requireBucket(db, name);
  const object = objectOf(db, bucket, key, versionId);
  judgeCopySource(headers, object);
  return { bucket, object, isNamed: versionId !== undefined };
}

/** Looks for bytes of it, to be read now or later. */
export async function readableOf(
  head: HeadContext,
  { bucket, object }: CopySourceFound,
  { from, to }: { readonly from: number; readonly to: number },
): Promise<Readable> {
  const key = await head.store.keyFor(bucket.keyNo);
  return read(head, (db) => {
    const { body } = requireSame(db, bucket, object);
    return body === undefined ? [] : findReadable(head, db, body, { key, from, to });
  });
}

/**
 * The same version as it was found before.
 * @throws S3Error OperationAborted when it is gone, or another one is in its place
 */
export function requireSame(db: DatabaseSync, bucket: Bucket, object: Version): Version {
  const now = objectOf(db, bucket, object.key, object.versionId);
  if (now.sequence !== object.sequence) throw new S3Error('OperationAborted');
  return now;
}

/** The header that tells which version was copied; undefined ids of buckets without versions. */
export function sourceHeaders({ bucket, object }: CopySourceFound): Record<string, string> {
  if (bucket.versioning === 'off') return {};
  return { 'x-amz-copy-source-version-id': object.versionId };
}

function objectOf(
  db: DatabaseSync,
  { no }: Bucket,
  key: string,
  versionId: string | undefined,
): Version {
  try {
    return requireObject(db, no, key, versionId);
  } catch (error) {
    if (!(error instanceof S3Error) || error.s3Code !== 'MethodNotAllowed') throw error;
    throw new S3Error(
      'InvalidRequest',
      'The source of a copy request may not specifically refer to a delete marker by version id.',
    );
  }
}
