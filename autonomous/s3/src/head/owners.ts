import type { DatabaseSync } from 'node:sqlite';

import type { Owner } from '../protocol/list-documents.ts';
import { S3Error } from '../protocol/s3-error.ts';
import { findUserById } from '../rights/rights-tables.ts';
import type { S3User } from '../rights/rights-tables.ts';
import type { Permit } from '../rights/rights.ts';

/** Who asks. @throws S3Error AccessDenied for anonymous requests */
export function callerOf({ user }: Permit): S3User {
  if (user === undefined) throw new S3Error('AccessDenied');
  return user;
}

/** Who has a bucket, and with it all that is in it. */
export function ownerOf(db: DatabaseSync, { owner }: { readonly owner: string }): Owner {
  return { id: owner, name: findUserById(db, owner)?.name ?? owner };
}
