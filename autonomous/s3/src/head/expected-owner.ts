import { findBucket } from '../meta/buckets.ts';
import { parseCopySource } from '../protocol/address.ts';
import { S3Error } from '../protocol/s3-error.ts';
import type { S3Request } from '../protocol/s3-request.ts';
import { read } from './head-context.ts';
import type { HeadContext } from './head-context.ts';

/**
 * Judges the headers by which a client says whose buckets it means: the id that GetBucketAcl and
 * ListBuckets tell.
 * @throws S3Error AccessDenied when they are somebody else's, InvalidArgument
 */
export function checkExpectedOwner(head: HeadContext, { bucket, headers }: S3Request): void {
  check(head, bucket, headers['x-amz-expected-bucket-owner']);
  const expected = headers['x-amz-source-expected-bucket-owner'];
  const source = headers['x-amz-copy-source'];
  if (expected === undefined || typeof source !== 'string') return;
  check(head, parseCopySource(source).bucket, expected);
}

function check(
  head: HeadContext,
  name: string | undefined,
  expected: string | string[] | undefined,
): void {
  if (name === undefined || expected === undefined) return;
  const bucket = read(head, (db) => findBucket(db, name));
  if (bucket !== undefined && bucket.owner !== expected) throw new S3Error('AccessDenied');
}
