import type { DatabaseSync } from 'node:sqlite';

import type { Owner } from '../protocol/list-documents.ts';
import { S3Error } from '../protocol/s3-error.ts';
import type { S3Request } from '../protocol/s3-request.ts';
import { findUserById, findUserOfKey } from '../rights/rights-tables.ts';
import type { S3User } from '../rights/rights-tables.ts';

/** Who asks. @throws S3Error AccessDenied for anonymous requests, and keys that are gone */
export function callerOf(db: DatabaseSync, { accessKey }: S3Request): S3User {
  const user = accessKey === undefined ? undefined : findUserOfKey(db, accessKey);
  if (user === undefined) throw new S3Error('AccessDenied');
  return user;
}

/** Who has a bucket, and with it all that is in it. */
export function ownerOf(db: DatabaseSync, { owner }: { readonly owner: string }): Owner {
  return { id: owner, name: findUserById(db, owner)?.name ?? owner };
}
