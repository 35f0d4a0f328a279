import { isRebuilt } from '@commongrid/zstor';

import type { Operation } from '../protocol/operations.ts';
import { S3Error } from '../protocol/s3-error.ts';
import type { HeadContext } from './head-context.ts';

/** What takes away something that may be needed to see what is true. */
const deletions: ReadonlySet<Operation> = new Set([
  'DeleteObject',
  'DeleteObjects',
  'DeleteBucket',
  'AbortMultipartUpload',
]);

/**
 * Tables that were made again without their log may have what was deleted, and lack the newest locks:
 * nothing is deleted until the owner has looked at them.
 * @throws S3Error AccessDenied
 */
export function refuseAfterRebuild({ store }: HeadContext, operation: Operation): void {
  if (!deletions.has(operation) || !store.catalog.read(isRebuilt)) return;
  throw new S3Error(
    'AccessDenied',
    'The store was rebuilt: nothing is deleted until its owner accepts that, with grid s3 fsck --accept.',
  );
}
