import type { Operation } from '../protocol/operations.ts';
import type { HeadContext } from './head-context.ts';

/** What adds to the tables, and may be sent again later. */
const additions: ReadonlySet<Operation> = new Set([
  'CreateBucket',
  'PutObject',
  'CopyObject',
  'CreateMultipartUpload',
  'UploadPart',
  'UploadPartCopy',
  'CompleteMultipartUpload',
]);

/**
 * With the disk of the tables full, objects are read and deleted as long as none are added.
 * @throws ZSTOR_CATALOG_NO_ROOM
 */
export function refuseWhenFull({ store }: HeadContext, operation: Operation): void {
  if (additions.has(operation)) store.catalog.requireRoom();
}
