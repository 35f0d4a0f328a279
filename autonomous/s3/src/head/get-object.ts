import type { DatabaseSync } from 'node:sqlite';

import type { KeyWrap } from '@commongrid/zstor';

import { findPartSpan } from '../meta/bodies.ts';
import type { Bucket } from '../meta/buckets.ts';
import { requireObject } from '../meta/versions.ts';
import type { Version } from '../meta/versions.ts';
import { judgeIfRange, judgeRead } from '../protocol/conditions.ts';
import { contentRange, parseRange } from '../protocol/range.ts';
import { S3Error } from '../protocol/s3-error.ts';
import type { S3Request, S3Response } from '../protocol/s3-request.ts';
import { parsePartNumber } from '../protocol/xml-requests.ts';
import { borrowerOf } from './borrower.ts';
import { bucketOf, read } from './head-context.ts';
import type { Handle, HeadContext } from './head-context.ts';
import { checksumHeaders, objectHeaders } from './object-answer.ts';
import { begin, findReadable, readBody } from './stored-body.ts';
import type { Readable } from './stored-body.ts';

/** The answer begins once the first bytes are there: what cannot be read is an error of its own. */
export const getObject: Handle = async (head, request) => {
  const bucket = bucketOf(head, request);
  const key = await head.store.keyFor(bucket.keyNo);
  const { readable, ...answer } = read(head, (db) => find(head, db, request, bucket, key));
  if (readable === undefined) return answer;
  const [only] = readable;
  if (readable.length === 1 && only !== undefined && 'bytes' in only) {
    return { ...answer, body: only.bytes };
  }
  const [signal, borrower] = [request.signal, borrowerOf(request)];
  return { ...answer, body: await begin(readBody(head, readable, { signal, borrower })) };
};

export const headObject: Handle = async (head, request) => {
  const bucket = bucketOf(head, request);
  return read(head, (db) => find(head, db, request, bucket, undefined));
};

/** Bytes of an object, and how an answer with them is called. */
interface Span {
  readonly from: number;
  /** Behind the last one. */
  readonly to: number;
  readonly status: 200 | 206;
  readonly headers: Readonly<Record<string, string>>;
}

/** @param key undefined where no bytes are wanted */
function find(
  head: HeadContext,
  db: DatabaseSync,
  request: S3Request,
  bucket: Bucket,
  key: KeyWrap | undefined,
): S3Response & { readonly readable?: Readable } {
  const { query } = request;
  const object = requireObject(db, bucket.no, request.key ?? '', query.get('versionId'));
  const headers = objectHeaders(bucket, object, request);
  if (judgeRead(request.headers, object) === 'not-modified') {
    return { status: 304, headers, objectBytes: object.sizeBytes };
  }
  const partNumber = query.get('partNumber');
  const { from, to, status, headers: more } = spanOf(db, request, object, partNumber);
  const answer = {
    status,
    headers: { ...headers, ...more, 'content-length': String(to - from) },
    objectBytes: object.sizeBytes,
  };
  if (key === undefined || object.body === undefined) return answer;
  return { ...answer, readable: findReadable(head, db, object.body, { key, from, to }) };
}

function spanOf(
  db: DatabaseSync,
  request: S3Request,
  object: Version,
  partNumber: string | undefined,
): Span {
  const { sizeBytes } = object;
  const { range: rangeHeader } = request.headers;
  if (partNumber !== undefined) {
    if (rangeHeader !== undefined) {
      throw new S3Error('InvalidRequest', 'Cannot specify both Range header and partNumber.');
    }
    return partSpan(db, request, object, parsePartNumber(partNumber));
  }
  const isWanted = typeof rangeHeader === 'string' && judgeIfRange(request.headers, object);
  const range = parseRange(isWanted ? rangeHeader : undefined, sizeBytes);
  if (range !== undefined) {
    const headers = { 'content-range': contentRange(range, sizeBytes) };
    return { from: range.first, to: range.last + 1, status: 206, headers };
  }
  const headers = wantsChecksum(request) ? checksumHeaders(object.checksum) : {};
  return { from: 0, to: sizeBytes, status: 200, headers };
}

function partSpan(
  db: DatabaseSync,
  request: S3Request,
  { sizeBytes, partCount, checksum, body }: Version,
  number: number | undefined,
): Span {
  if (number === undefined) {
    throw new S3Error('InvalidArgument', 'Part number must be between 1 and 10000, inclusive');
  }
  const isWanted = wantsChecksum(request);
  if (partCount === undefined) {
    if (number !== 1) throw new S3Error('InvalidPartNumber');
    const headers = isWanted ? checksumHeaders(checksum) : {};
    return partAnswer({ from: 0, to: sizeBytes }, sizeBytes, headers);
  }
  const part = body === undefined ? undefined : findPartSpan(db, body, number);
  if (part === undefined) throw new S3Error('InvalidPartNumber');
  const { checksum: value } = part;
  const own = checksum !== undefined && value !== undefined ? { ...checksum, value } : undefined;
  const headers = isWanted ? checksumHeaders(own) : {};
  const count = { 'x-amz-mp-parts-count': String(partCount) };
  return partAnswer(part, sizeBytes, { ...headers, ...count });
}

function partAnswer(
  { from, to }: Pick<Span, 'from' | 'to'>,
  sizeBytes: number,
  headers: Span['headers'],
): Span {
  if (from === to) return { from, to, status: 200, headers };
  const range = { 'content-range': contentRange({ first: from, last: to - 1 }, sizeBytes) };
  return { from, to, status: 206, headers: { ...headers, ...range } };
}

function wantsChecksum({ headers }: S3Request): boolean {
  return String(headers['x-amz-checksum-mode']).toUpperCase() === 'ENABLED';
}
