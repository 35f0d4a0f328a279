import type { BucketRef } from '../meta/buckets.ts';
import { completeUpload } from '../meta/complete-upload.ts';
import { idText } from '../meta/object-ids.ts';
import * as uploads from '../meta/uploads.ts';
import type { ChecksumKind, NewPart, UploadRef } from '../meta/uploads.ts';
import { findManifest } from '../meta/version-document.ts';
import { algorithmOfHeader, parseAlgorithm, parseChecksum } from '../protocol/checksum.ts';
import type { Checksum } from '../protocol/checksum.ts';
import {
  completedDocument,
  copiedDocument,
  listPartsDocument,
  uploadDocument,
} from '../protocol/object-documents.ts';
import { readObjectHeaders } from '../protocol/object-headers.ts';
import type { Headers } from '../protocol/object-headers.ts';
import type { Operation } from '../protocol/operations.ts';
import { parseCopyRange } from '../protocol/range.ts';
import { S3Error } from '../protocol/s3-error.ts';
import type { S3Request, S3Response } from '../protocol/s3-request.ts';
import { uriEncode } from '../protocol/uri-encoding.ts';
import { parseComplete, parsePartNumber } from '../protocol/xml-requests.ts';
import { checkCannedAcl } from './canned-acl.ts';
import { copyBytesMax, findCopySource, readableOf, sourceHeaders } from './copy-source.ts';
import { Digested } from './digested.ts';
import { bucketOf, read, write } from './head-context.ts';
import type { Handle, HeadContext } from './head-context.ts';
import { readCount } from './list-parameters.ts';
import { borrowerOf } from './borrower.ts';
import { PendingBody } from './new-body.ts';
import { checksumHeaders, madeHeaders } from './object-answer.ts';
import { ownerOf } from './owners.ts';
import { answerPatiently } from './patient-answer.ts';
import { readBody } from './stored-body.ts';
import { writeRules } from './write-rules.ts';

/** Longest document of CompleteMultipartUpload: 10,000 parts. */
const documentBytesMax = 4 << 20;
/** Parts of one page of a list. */
const partsPageMax = 1000;

/** Objects that come in parts. */
export const uploadHandlers = {
  CreateMultipartUpload: async (head, request, permit) => {
    const bucket = bucketOf(head, request);
    checkCannedAcl(request.headers);
    const headers = readObjectHeaders(request.headers);
    const { key = '' } = request;
    const checksum = checksumKindOf(request.headers);
    const [id, startedMs] = [head.ids.next(), head.clock.nowMs()];
    const rules = writeRules(head, request);
    const owner = permit.user?.id ?? bucket.owner;
    await write(head, (db) => {
      const upload = { key, id, owner, startedMs, headers, checksum };
      uploads.createUpload(db, bucket, upload, rules);
    });
    return {
      headers: {
        'x-amz-server-side-encryption': 'AES256',
        ...(checksum === undefined
          ? {}
          : {
              'x-amz-checksum-algorithm': checksum.algorithm,
              'x-amz-checksum-type': checksum.type,
            }),
      },
      body: uploadDocument(bucket.name, key, idText(id)),
    };
  },

  UploadPart: async (head, request) => {
    const bucket = bucketOf(head, request);
    const { payload } = request;
    const upload = uploadOf(request);
    const number = partNumberOf(request);
    const kind = read(head, (db) => uploads.requireUpload(db, bucket.no, upload).checksum);
    payload.compute({
      md5: true,
      ...(kind === undefined ? {} : { checksum: kind.algorithm }),
    });
    checkAlgorithm(payload.checksumAlgorithm, kind);
    using body = await PendingBody.write(head, {
      pieces: payload,
      sizeBytes: payload.sizeBytes ?? 0,
      key: await head.store.keyFor(bucket.keyNo),
      borrower: borrowerOf(request),
    });
    const { sizeBytes, md5: etag = '', checksum } = payload.digests;
    await keepPart(head, request, bucket, body, {
      number,
      sizeBytes,
      etag,
      checksum: checksum?.value,
    });
    const told = checksum && { ...checksum, type: kind?.type ?? 'FULL_OBJECT' };
    const { 'x-amz-checksum-type': _, ...checksums } = checksumHeaders(told);
    const headers = { etag: `"${etag}"`, ...madeHeaders(undefined), ...checksums };
    return { headers, objectBytes: sizeBytes };
  },

  UploadPartCopy: async (head, request) => {
    const bucket = bucketOf(head, request);
    const source = read(head, (db) => findCopySource(db, request));
    const { sizeBytes: sourceBytes } = source.object;
    const number = partNumberOf(request);
    const kind = read(head, (db) => {
      return uploads.requireUpload(db, bucket.no, uploadOf(request)).checksum;
    });
    const rangeHeader = request.headers['x-amz-copy-source-range'];
    const range =
      rangeHeader === undefined
        ? { first: 0, last: sourceBytes - 1 }
        : parseCopyRange(String(rangeHeader), sourceBytes);
    const span = { from: range.first, to: range.last + 1 };
    const sizeBytes = span.to - span.from;
    if (sizeBytes > copyBytesMax) throw new S3Error('EntityTooLarge');
    const copy = async (): Promise<S3Response & { readonly body: string }> => {
      const readable = await readableOf(head, source, span);
      const pieces = new Digested(readBody(head, readable), kind?.algorithm);
      const key = await head.store.keyFor(bucket.keyNo);
      using body = await PendingBody.write(head, { pieces, sizeBytes, key });
      const { md5: etag, checksum } = pieces.end();
      const part = { number, sizeBytes, etag, checksum: checksum?.value };
      const modifiedMs = await keepPart(head, request, bucket, body, part);
      return {
        headers: { ...sourceHeaders(source), ...madeHeaders(undefined) },
        body: copiedDocument('Part', { etag, modifiedMs, checksum }),
        objectBytes: sizeBytes,
      };
    };
    return answerPatiently(head.clock, copy());
  },

  CompleteMultipartUpload: async (head, request) => {
    const bucket = bucketOf(head, request);
    const upload = uploadOf(request);
    const parts = parseComplete(await request.payload.bytes(documentBytesMax));
    const completion = {
      ...{ parts, id: head.ids.next(), nowMs: head.clock.nowMs() },
      expected: { checksum: checksumIn(request.headers), sizeBytes: objectSizeOf(request) },
    };
    const rules = writeRules(head, request);
    const complete = async (): Promise<S3Response & { readonly body: string }> => {
      const { versionId, etag, checksum, sizeBytes } = await head.store.commitVersion((db) => {
        const { result, isNew } = completeUpload(db, bucket, upload, completion, rules);
        return { result, manifest: isNew ? findManifest(db, completion.id) : undefined };
      }, head.policy);
      const { name } = bucket;
      const location = `http://${String(request.headers['host'])}/${name}/${uriEncode(upload.key, true)}`;
      return {
        headers: madeHeaders(versionId),
        body: completedDocument({
          ...{ location, bucket: name, key: upload.key, etag, checksum },
          checksumType: checksum?.type,
        }),
        objectBytes: sizeBytes,
      };
    };
    return answerPatiently(head.clock, complete());
  },

  AbortMultipartUpload: async (head, request) => {
    const bucket = bucketOf(head, request);
    const upload = uploadOf(request);
    await write(head, (db) => uploads.abortUpload(db, bucket, upload));
    return { status: 204 };
  },

  ListParts: async (head, request) => {
    const bucket = bucketOf(head, request);
    const { query } = request;
    const ref = uploadOf(request);
    const max = readCount(query, 'max-parts', partsPageMax, 0);
    const after = Number(/^\d{1,5}$/.exec(query.get('part-number-marker') ?? '')?.[0] ?? 0);
    return read(head, (db) => {
      const upload = uploads.requireUpload(db, bucket.no, ref);
      const rows = uploads.listParts(db, upload, { after, max: max + 1 });
      const parts = rows.slice(0, max);
      const isTruncated = max > 0 && rows.length > max;
      const { checksum: kind } = upload;
      return {
        body: listPartsDocument({
          ...{ bucket: bucket.name, key: upload.key, uploadId: upload.uploadId },
          ...{ owner: ownerOf(db, bucket), marker: after, max, isTruncated },
          nextMarker: parts.at(-1)?.number,
          encoding: query.get('encoding-type') === 'url' ? 'url' : undefined,
          ...{ algorithm: kind?.algorithm, checksumType: kind?.type },
          parts: parts.map(({ checksum: value, ...part }) => ({
            ...part,
            checksum:
              kind !== undefined && value !== undefined
                ? { algorithm: kind.algorithm, value }
                : undefined,
          })),
        }),
      };
    });
  },
} as const satisfies Partial<Record<Operation, Handle>>;

/** @returns when the part was kept, ms */
async function keepPart(
  head: HeadContext,
  request: S3Request,
  bucket: BucketRef,
  body: PendingBody,
  facts: Omit<NewPart, 'body' | 'modifiedMs'>,
): Promise<number> {
  const upload = uploadOf(request);
  const part = { ...facts, modifiedMs: head.clock.nowMs() };
  await body.commit((db, kept) => uploads.putPart(db, bucket, upload, { ...part, body: kept }));
  return part.modifiedMs;
}

function uploadOf({ key = '', query }: S3Request): UploadRef {
  return { key, uploadId: query.get('uploadId') ?? '' };
}

/** @throws S3Error InvalidArgument */
function partNumberOf({ query }: S3Request): number {
  const text = query.get('partNumber') ?? '';
  const number = parsePartNumber(text);
  if (number !== undefined) return number;
  throw new S3Error(
    'InvalidArgument',
    'Part number must be an integer between 1 and 10000, inclusive',
    { elements: { ArgumentName: 'partNumber', ArgumentValue: text } },
  );
}

/**
 * The checksum that the parts of an upload and the whole have.
 * @throws S3Error InvalidRequest for what S3 has not
 */
function checksumKindOf(headers: Headers): ChecksumKind | undefined {
  const name = headers['x-amz-checksum-algorithm'];
  const asked = headers['x-amz-checksum-type'];
  if (name === undefined) {
    if (asked === undefined) return undefined;
    throw new S3Error('InvalidRequest', 'x-amz-checksum-type needs x-amz-checksum-algorithm.');
  }
  const algorithm = parseAlgorithm(String(name));
  if (algorithm === undefined) {
    throw new S3Error('InvalidRequest', 'Checksum algorithm provided is unsupported.');
  }
  const usual = algorithm === 'CRC64NVME' ? 'FULL_OBJECT' : 'COMPOSITE';
  const type = String(asked ?? usual).toUpperCase();
  const isWhole = type === 'FULL_OBJECT';
  const canBe = isWhole ? !algorithm.startsWith('SHA') : algorithm !== 'CRC64NVME';
  if (!canBe || (!isWhole && type !== 'COMPOSITE')) {
    throw new S3Error(
      'InvalidRequest',
      `The ${type} checksum type cannot be used with the ${algorithm} checksum algorithm.`,
    );
  }
  return { algorithm, type: isWhole ? 'FULL_OBJECT' : 'COMPOSITE' };
}

/** @throws S3Error InvalidRequest when a part has another checksum than its upload */
function checkAlgorithm(
  given: Checksum['algorithm'] | undefined,
  kind: ChecksumKind | undefined,
): void {
  if (given === undefined || kind === undefined || given === kind.algorithm) return;
  throw new S3Error(
    'InvalidRequest',
    `Checksum Type mismatch occurred, expected checksum Type: ${kind.algorithm.toLowerCase()}, ` +
      `actual checksum Type: ${given.toLowerCase()}`,
  );
}

/** The checksum of the whole object that a client says; of composite ones the count may follow. */
function checksumIn(headers: Headers): Checksum | undefined {
  for (const [name, value] of Object.entries(headers)) {
    const algorithm = algorithmOfHeader(name);
    if (algorithm === undefined || typeof value !== 'string') continue;
    parseChecksum(algorithm, value.replace(/-\d+$/, ''));
    return { algorithm, value };
  }
  return undefined;
}

function objectSizeOf({ headers }: S3Request): number | undefined {
  const text = headers['x-amz-mp-object-size'];
  if (text === undefined) return undefined;
  if (!/^\d{1,15}$/.test(String(text))) {
    throw new S3Error('InvalidRequest', 'x-amz-mp-object-size is no length.');
  }
  return Number(text);
}
