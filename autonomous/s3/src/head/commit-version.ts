import { requireSameRules, sameBucket } from '../meta/buckets.ts';
import type { Bucket, BucketRef } from '../meta/buckets.ts';
import { putVersion } from '../meta/put-version.ts';
import type { NewVersion, PutVersion, WriteRules } from '../meta/put-version.ts';
import { documentOfNew } from '../meta/version-document.ts';
import { read } from './head-context.ts';
import type { HeadContext } from './head-context.ts';
import type { PendingBody } from './new-body.ts';

/**
 * Makes a body that was written a version of a key. The manifest says what the bucket does with it now,
 * not when its bytes began to come. Throws as `PendingBody.commit` and `putVersion`.
 */
export function commitVersion(
  head: HeadContext,
  ref: BucketRef,
  body: PendingBody,
  version: Omit<NewVersion, 'body'>,
  rules: WriteRules,
): Promise<PutVersion> {
  let described: Bucket | undefined;
  return body.commit(
    (db, kept) => {
      if (described !== undefined) requireSameRules(db, described);
      return putVersion(db, ref, { ...version, body: kept }, rules);
    },
    {
      id: version.id,
      documentOf: (kept) => {
        described = read(head, (db) => sameBucket(db, ref));
        return documentOfNew(described, { ...version, body: kept }, rules);
      },
    },
  );
}
