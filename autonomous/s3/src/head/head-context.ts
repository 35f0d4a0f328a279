import type { DatabaseSync } from 'node:sqlite';

import type { Clock } from '@commongrid/base';
import type { BlobStore, StoragePolicy } from '@commongrid/zstor';

import type { Cors } from '../cors/cors.ts';
import { requireBucket } from '../meta/buckets.ts';
import type { Bucket } from '../meta/buckets.ts';
import type { ObjectIds } from '../meta/object-ids.ts';
import type { S3Request, S3Response } from '../protocol/s3-request.ts';
import type { Permit, Rights } from '../rights/rights.ts';

/** What the handlers of all operations work with. */
export interface HeadContext {
  readonly store: BlobStore;
  /** How objects are kept that come from now on. */
  readonly policy: StoragePolicy;
  readonly region: string;
  readonly clock: Clock;
  /** Ids of new versions and uploads. */
  readonly ids: ObjectIds;
  readonly rights: Rights;
  readonly cors: Cors;
}

/**
 * Does one operation, which the caller was permitted. What it read may be told: whoever calls it requires the lease before the
 * answer leaves, be it an error.
 */
export type Handle = (head: HeadContext, request: S3Request, permit: Permit) => Promise<S3Response>;

/** Rows as they are after the last change that is kept. */
export function read<T>({ store }: HeadContext, query: (db: DatabaseSync) => T): T {
  return store.catalog.read(query);
}

/** Changes rows; `change` may run twice. Throws as `Catalog.write`, and what `change` throws. */
export function write<T>({ store }: HeadContext, change: (db: DatabaseSync) => T): Promise<T> {
  return store.catalog.write(change);
}

/** The bucket that a request is about. @throws S3Error NoSuchBucket */
export function bucketOf(head: HeadContext, { bucket = '' }: S3Request): Bucket {
  return read(head, (db) => requireBucket(db, bucket));
}
