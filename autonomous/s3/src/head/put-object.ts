import { readObjectHeaders } from '../protocol/object-headers.ts';
import { checkCannedAcl } from './canned-acl.ts';
import { commitVersion } from './commit-version.ts';
import { bucketOf } from './head-context.ts';
import type { Handle } from './head-context.ts';
import { borrowerOf } from './borrower.ts';
import { PendingBody } from './new-body.ts';
import { checksumHeaders, madeHeaders } from './object-answer.ts';
import { writeRules } from './write-rules.ts';

/**
 * 1. The body is kept, while its MD5 and checksum are computed; its end says that they are right.
 * 2. One change makes it an object, if the conditions hold then; a manifest beside the tables describes
 * it.
 */
export const putObject: Handle = async (head, request) => {
  const bucket = bucketOf(head, request);
  const headers = readObjectHeaders(request.headers);
  checkCannedAcl(request.headers);
  const { payload, key = '' } = request;
  payload.compute({ md5: true });
  using body = await PendingBody.write(head, {
    pieces: payload,
    sizeBytes: payload.sizeBytes ?? 0,
    key: await head.store.keyFor(bucket.keyNo),
    borrower: borrowerOf(request),
  });
  const { sizeBytes, md5: etag = '', checksum } = payload.digests;
  const version = {
    ...{ key, id: head.ids.next(), sizeBytes, etag, headers, modifiedMs: head.clock.nowMs() },
    checksum: checksum && { ...checksum, type: 'FULL_OBJECT' as const },
  };
  const rules = writeRules(head, request);
  const made = await commitVersion(bucket, body, version, rules);
  return {
    headers: {
      etag: `"${etag}"`,
      ...madeHeaders(made.versionId),
      ...checksumHeaders(version.checksum),
    },
    objectBytes: sizeBytes,
  };
};
