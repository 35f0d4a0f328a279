import type { Headers } from '../protocol/object-headers.ts';
import { S3Error } from '../protocol/s3-error.ts';

/** Canned ACLs that say what is so anyway: whoever owns the bucket owns all that is in it. */
const allowed: ReadonlySet<unknown> = new Set([
  undefined,
  'private',
  'bucket-owner-full-control',
  'bucket-owner-read',
]);

/** @throws S3Error AccessControlListNotSupported */
export function checkCannedAcl(headers: Headers): void {
  if (!allowed.has(headers['x-amz-acl'])) throw new S3Error('AccessControlListNotSupported');
}
