import type { BucketRef } from '../meta/buckets.ts';
import { sameBucket } from '../meta/buckets.ts';
import { putVersion } from '../meta/put-version.ts';
import type { NewVersion, PutVersion, WriteRules } from '../meta/put-version.ts';
import { documentOfNew } from '../meta/version-document.ts';
import type { PendingBody } from './new-body.ts';

/**
 * Makes a body that was written a version of a key, with its manifest. Throws as
 * `PendingBody.commitVersion` and `putVersion`.
 */
export function commitVersion(
  ref: BucketRef,
  body: PendingBody,
  version: Omit<NewVersion, 'body'>,
  rules: WriteRules,
): Promise<PutVersion> {
  return body.commitVersion((db, kept) => {
    const made = { ...version, body: kept };
    const result = putVersion(db, ref, made, rules);
    const document = documentOfNew(sameBucket(db, ref), made, rules);
    return { result, versionId: version.id, document };
  });
}
