import type { DatabaseSync } from 'node:sqlite';

import { requireBucket } from '../meta/buckets.ts';
import type { Bucket } from '../meta/buckets.ts';
import { placeAfterKey, placeAfterText, placeBehind } from '../meta/key-pages.ts';
import type { Page, Place } from '../meta/key-pages.ts';
import { listObjects, listUploads, listVersions, placeAfterVersion } from '../meta/lists.ts';
import { parseId } from '../meta/object-ids.ts';
import {
  listObjectsDocument,
  listObjectsV2Document,
  listUploadsDocument,
  listVersionsDocument,
} from '../protocol/list-documents.ts';
import type { Operation } from '../protocol/operations.ts';
import type { Query } from '../protocol/query.ts';
import type { S3Response } from '../protocol/s3-request.ts';
import { read } from './head-context.ts';
import type { Handle } from './head-context.ts';
import { invalid, readListParameters } from './list-parameters.ts';
import type { ListParameters } from './list-parameters.ts';
import { ownerOf } from './owners.ts';

/** Makes one page of a list, all of it from the same rows. */
type ListPage = (db: DatabaseSync, bucket: Bucket, query: Query) => string;

/** Pages of what is in a bucket. */
export const listHandlers = {
  ListObjects: handle(objectsPage),
  ListObjectsV2: handle(objectsV2Page),
  ListObjectVersions: handle(versionsPage),
  ListMultipartUploads: handle(uploadsPage),
} as const satisfies Partial<Record<Operation, Handle>>;

function handle(makePage: ListPage): Handle {
  return async (head, request): Promise<S3Response> => ({
    body: read(head, (db) => {
      return makePage(db, requireBucket(db, request.bucket ?? ''), request.query);
    }),
  });
}

function objectsPage(db: DatabaseSync, bucket: Bucket, query: Query): string {
  const asked = readListParameters(query, 'max-keys');
  const marker = query.get('marker') ?? '';
  const from = marker === '' ? undefined : placeAfterText(marker, asked.prefix, asked.delimiter);
  const page = listObjects(db, bucket.no, { ...asked, from });
  // Without a delimiter clients go on with the last key of the page.
  const hasMarker = page.isTruncated && asked.delimiter !== undefined;
  return listObjectsDocument({
    ...common(bucket, asked, page),
    objects: page.rows,
    owner: ownerOf(db, bucket),
    marker,
    nextMarker: hasMarker ? lastOf(page) : undefined,
  });
}

export function objectsV2Page(db: DatabaseSync, bucket: Bucket, query: Query): string {
  const asked = readListParameters(query, 'max-keys');
  const token = query.get('continuation-token');
  const startAfter = query.get('start-after');
  const page = listObjects(db, bucket.no, {
    ...asked,
    from: placeOfToken(token) ?? placeAfter(startAfter, asked),
  });
  return listObjectsV2Document({
    ...common(bucket, asked, page),
    objects: page.rows,
    ...(query.get('fetch-owner') === 'true' && { owner: ownerOf(db, bucket) }),
    ...{ startAfter, token, nextToken: page.isTruncated ? tokenAfter(page) : undefined },
  });
}

export function versionsPage(db: DatabaseSync, bucket: Bucket, query: Query): string {
  const asked = readListParameters(query, 'max-keys');
  const keyMarker = query.get('key-marker') ?? '';
  const versionMarker = query.get('version-id-marker') ?? '';
  if (versionMarker !== '' && keyMarker === '') {
    const message = 'A version-id marker cannot be specified without a key marker.';
    throw invalid('version-id-marker', versionMarker, message);
  }
  const from =
    versionMarker === ''
      ? placeAfter(keyMarker, asked)
      : placeAfterVersion(db, bucket.no, keyMarker, versionMarker);
  const page = listVersions(db, bucket.no, { ...asked, from });
  const { last, isTruncated } = page;
  const isRow = isTruncated && last !== undefined && 'row' in last;
  return listVersionsDocument({
    ...common(bucket, asked, page),
    versions: page.rows,
    owner: ownerOf(db, bucket),
    ...{ keyMarker, versionMarker, nextKeyMarker: isTruncated ? lastOf(page) : undefined },
    nextVersionMarker: isRow ? last.row.versionId : undefined,
  });
}

function uploadsPage(db: DatabaseSync, bucket: Bucket, query: Query): string {
  const asked = readListParameters(query, 'max-uploads');
  const keyMarker = query.get('key-marker') ?? '';
  // Without a key it is not looked at, as at AWS.
  const uploadMarker = keyMarker === '' ? '' : (query.get('upload-id-marker') ?? '');
  const page = listUploads(db, bucket.no, {
    ...asked,
    from:
      uploadMarker === ''
        ? placeAfter(keyMarker, asked)
        : { key: Buffer.from(keyMarker), behind: uploadIdOf(uploadMarker) },
  });
  const { last, isTruncated } = page;
  const isRow = isTruncated && last !== undefined && 'row' in last;
  return listUploadsDocument({
    ...common(bucket, asked, page),
    uploads: page.rows,
    owner: ownerOf(db, bucket),
    ...{ keyMarker, uploadMarker, nextKeyMarker: isTruncated ? lastOf(page) : undefined },
    nextUploadMarker: isRow ? last.row.uploadId : undefined,
  });
}

function common(
  { name }: Bucket,
  { prefix, delimiter, max, encoding }: ListParameters,
  { isTruncated, commonPrefixes }: Page<unknown>,
): Omit<Parameters<typeof listObjectsDocument>[0], 'objects' | 'marker' | 'nextMarker'> {
  return { bucket: name, prefix, delimiter, max, encoding, isTruncated, commonPrefixes };
}

/** The key or common prefix that a page ended with. */
function lastOf({ last }: Page<{ readonly key: string }>): string | undefined {
  if (last === undefined) return undefined;
  return 'row' in last ? last.row.key : last.commonPrefix;
}

function placeAfter(
  text: string | undefined,
  { prefix, delimiter }: ListParameters,
): Place | undefined {
  if (text === undefined || text === '') return undefined;
  return placeAfterText(text, prefix, delimiter);
}

/** `k` for a key or `p` for a common prefix, and the bytes of it. */
function tokenAfter({ last }: Page<{ readonly key: string }>): string | undefined {
  if (last === undefined) return undefined;
  const [kind, text] = 'row' in last ? ['k', last.row.key] : ['p', last.commonPrefix];
  return Buffer.from(kind + text).toString('base64url');
}

/** @throws S3Error InvalidArgument for a token that no page had */
function placeOfToken(token: string | undefined): Place | undefined {
  if (token === undefined) return undefined;
  const bytes = Buffer.from(token, 'base64url');
  const key = bytes.subarray(1);
  const kind = bytes.toString('latin1', 0, 1);
  const isToken = key.length > 0 && bytes.toString('base64url') === token;
  if (isToken && kind === 'k') return placeAfterKey(key);
  if (isToken && kind === 'p') return placeBehind(key);
  const message = 'The continuation token provided is incorrect';
  throw invalid('continuation-token', token, message);
}

function uploadIdOf(text: string): Buffer {
  const id = parseId(text);
  if (id === undefined) throw invalid('upload-id-marker', text, 'Invalid uploadId marker');
  return id;
}
