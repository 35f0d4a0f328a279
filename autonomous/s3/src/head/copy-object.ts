import { shareBody } from '../meta/bodies.ts';
import { sameBucket } from '../meta/buckets.ts';
import type { Bucket } from '../meta/buckets.ts';
import { putVersion } from '../meta/put-version.ts';
import type { NewVersion, PutVersion } from '../meta/put-version.ts';
import { documentOfNew, manifestBlobsOf } from '../meta/version-document.ts';
import type { StoredChecksum } from '../meta/versions.ts';
import { parseAlgorithm } from '../protocol/checksum.ts';
import type { ChecksumAlgorithm } from '../protocol/checksum.ts';
import { copiedDocument } from '../protocol/object-documents.ts';
import { readObjectHeaders } from '../protocol/object-headers.ts';
import type { ObjectHeaders } from '../protocol/object-headers.ts';
import { S3Error } from '../protocol/s3-error.ts';
import type { S3Request, S3Response } from '../protocol/s3-request.ts';
import type { Permit } from '../rights/rights.ts';
import { checkCannedAcl } from './canned-acl.ts';
import { commitVersion } from './commit-version.ts';
import {
  copyBytesMax,
  findCopySource,
  readableOf,
  requireSame,
  sourceHeaders,
} from './copy-source.ts';
import type { CopySourceFound } from './copy-source.ts';
import { Digested } from './digested.ts';
import { bucketOf, read } from './head-context.ts';
import type { Handle, HeadContext } from './head-context.ts';
import { PendingBody } from './new-body.ts';
import { checksumHeaders, madeHeaders } from './object-answer.ts';
import { answerPatiently } from './patient-answer.ts';
import { readBody } from './stored-body.ts';
import { writeRules } from './write-rules.ts';

/**
 * Within a bucket a copy shares the blobs of its source: it costs some rows. Another bucket has
 * another key, so what is copied there is read, and written anew.
 */
export const copyObject: Handle = async (head, request, permit) => {
  const bucket = bucketOf(head, request);
  checkCannedAcl(request.headers);
  const source = read(head, (db) => findCopySource(db, request));
  if (source.object.sizeBytes > copyBytesMax) {
    throw new S3Error('InvalidRequest', 'The specified copy source is larger than 5 GiB.');
  }
  const headers = headersOfCopy(request, source, bucket);
  if (headers.tags === source.object.tags) requireTagRights(permit, request, source);
  return answerPatiently(head.clock, copy(head, request, { source, bucket, headers }));
};

/** AWS asks for as much where there are tags to be copied. @throws S3Error AccessDenied */
function requireTagRights(
  permit: Permit,
  { key }: S3Request,
  { bucket, object, isNamed }: CopySourceFound,
): void {
  if (object.tags.length === 0) return;
  const reading = isNamed ? 's3:GetObjectVersionTagging' : 's3:GetObjectTagging';
  const mayRead = permit.allows(reading, object.key, bucket.name);
  if (!mayRead || !permit.allows('s3:PutObjectTagging', key)) throw new S3Error('AccessDenied');
}

interface Copy {
  readonly source: CopySourceFound;
  readonly bucket: Bucket;
  readonly headers: ObjectHeaders;
}

async function copy(
  head: HeadContext,
  request: S3Request,
  { source, bucket, headers }: Copy,
): Promise<S3Response & { readonly body: string }> {
  const { object } = source;
  const { sizeBytes, etag } = object;
  const modifiedMs = head.clock.nowMs();
  const base = {
    ...{ key: request.key ?? '', id: head.ids.next(), sizeBytes, etag, headers, modifiedMs },
  };
  const wanted = wantedAlgorithm(request, object.checksum);
  const isShared = source.bucket.no === bucket.no;
  const made = isShared
    ? await share(head, request, { source, bucket, base, wanted })
    : await rewrite(head, request, { source, bucket, base, wanted });
  const { checksum } = made;
  return {
    headers: {
      ...sourceHeaders(source),
      ...madeHeaders(made.versionId),
      ...checksumHeaders(checksum),
    },
    body: copiedDocument('Object', {
      ...{ etag, modifiedMs, checksum },
      ...(checksum === undefined ? {} : { checksumType: checksum.type }),
    }),
    objectBytes: sizeBytes,
  };
}

interface Making extends Omit<Copy, 'headers'> {
  readonly base: Omit<NewVersion, 'body' | 'checksum'>;
  /** A checksum that has to be computed; otherwise that of the source is kept. */
  readonly wanted: ChecksumAlgorithm | undefined;
}

type Made = PutVersion & { readonly checksum: StoredChecksum | undefined };

async function share(
  head: HeadContext,
  request: S3Request,
  { source, bucket, base, wanted }: Making,
): Promise<Made> {
  const computed = wanted && (await checksumOf(head, source, wanted));
  const checksum = computed ?? source.object.checksum;
  const rules = writeRules(head, request);
  return head.store.commitVersion((db) => {
    const { body: no } = requireSame(db, source.bucket, source.object);
    const body = no === undefined ? { blobs: [] } : shareBody(db, no);
    const version = { ...base, checksum, body };
    const result = { ...putVersion(db, bucket, version, rules), checksum };
    const document = documentOfNew(sameBucket(db, bucket), version, rules);
    const manifest = { versionId: base.id, document, blobs: manifestBlobsOf(db, body) };
    return { result, manifest };
  }, head.policy);
}

async function rewrite(
  head: HeadContext,
  request: S3Request,
  { source, bucket, base, wanted }: Making,
): Promise<Made> {
  const { sizeBytes } = source.object;
  const key = await head.store.keyFor(bucket.keyNo);
  const stretches = await readableOf(head, source, { from: 0, to: sizeBytes });
  const pieces = new Digested(readBody(head, stretches), wanted);
  using body = await PendingBody.write(head, { pieces, sizeBytes, key });
  const computed = pieces.end().checksum;
  const checksum =
    computed === undefined ? source.object.checksum : { ...computed, type: 'FULL_OBJECT' as const };
  const rules = writeRules(head, request);
  const version = { ...base, checksum };
  const made = await commitVersion(bucket, body, version, rules);
  return { ...made, checksum };
}

async function checksumOf(
  head: HeadContext,
  source: CopySourceFound,
  algorithm: ChecksumAlgorithm,
): Promise<StoredChecksum | undefined> {
  const readable = await readableOf(head, source, { from: 0, to: source.object.sizeBytes });
  const pieces = new Digested(readBody(head, readable), algorithm);
  for await (const _ of pieces);
  const { checksum } = pieces.end();
  return checksum && { ...checksum, type: 'FULL_OBJECT' };
}

/** undefined when the source has it, or none is asked for. */
function wantedAlgorithm(
  { headers }: S3Request,
  known: StoredChecksum | undefined,
): ChecksumAlgorithm | undefined {
  const name = headers['x-amz-checksum-algorithm'];
  if (name === undefined) return undefined;
  const algorithm = parseAlgorithm(String(name));
  if (algorithm === undefined) {
    throw new S3Error('InvalidRequest', 'Checksum algorithm provided is unsupported.');
  }
  return known?.algorithm === algorithm && known.type === 'FULL_OBJECT' ? undefined : algorithm;
}

/**
 * Metadata and tags of a copy: those of its source, or new ones, each by its directive.
 * @throws S3Error InvalidArgument, InvalidRequest for a copy that would change nothing
 */
function headersOfCopy(
  request: S3Request,
  { bucket: from, object, isNamed }: CopySourceFound,
  to: Bucket,
): ObjectHeaders {
  const given = readObjectHeaders(request.headers);
  const replacesMetadata = directive(request, 'x-amz-metadata-directive') === 'REPLACE';
  const replacesTags = directive(request, 'x-amz-tagging-directive') === 'REPLACE';
  const isItself = from.no === to.no && object.key === request.key && !isNamed;
  if (isItself && !replacesMetadata) {
    throw new S3Error(
      'InvalidRequest',
      'This copy request is illegal because it is trying to copy an object to itself without ' +
        "changing the object's metadata, storage class, website redirect location or encryption " +
        'attributes.',
    );
  }
  const { system, user } = replacesMetadata ? given : object;
  const { tags } = replacesTags ? given : object;
  return { system, user, tags, lock: given.lock, legalHold: given.legalHold };
}

function directive({ headers }: S3Request, name: string): 'COPY' | 'REPLACE' {
  const value = headers[name] ?? 'COPY';
  if (value === 'COPY' || value === 'REPLACE') return value;
  throw new S3Error('InvalidArgument', `Unknown value of ${name}.`, {
    elements: { ArgumentName: name, ArgumentValue: String(value) },
  });
}
