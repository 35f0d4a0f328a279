import type { DatabaseSync } from 'node:sqlite';

import type { Bucket } from '../meta/buckets.ts';
import { requireLockable, setLegalHold, setRetention } from '../meta/locks.ts';
import { requireObject, setTags } from '../meta/versions.ts';
import type { Version } from '../meta/versions.ts';
import { httpDate } from '../protocol/dates.ts';
import {
  aclDocument,
  attributesDocument,
  legalHoldDocument,
  retentionDocument,
  tagsDocument,
} from '../protocol/object-documents.ts';
import type { ObjectHeaders } from '../protocol/object-headers.ts';
import type { Operation } from '../protocol/operations.ts';
import { S3Error } from '../protocol/s3-error.ts';
import type { S3Request, S3Response } from '../protocol/s3-request.ts';
import { parseLegalHold, parseRetention, parseTags } from '../protocol/xml-requests.ts';
import { checkCannedAcl } from './canned-acl.ts';
import { bucketOf, read, write } from './head-context.ts';
import type { Handle, HeadContext } from './head-context.ts';
import { ownerOf } from './owners.ts';
import { deletionRules } from './write-rules.ts';

/** Longest document of a request. */
const documentBytesMax = 64 << 10;
/** Tags of an object, as at AWS. */
const objectTagsMax = 10;

const attributeNames = ['ETag', 'Checksum', 'ObjectParts', 'StorageClass', 'ObjectSize'] as const;

/** What is known of objects besides their bytes, and what of it can be changed. */
export const objectConfiguration = {
  GetObjectTagging: async (head, request) => {
    return about(head, request, (object) => ({ body: tagsDocument(object.tags) }));
  },
  PutObjectTagging: async (head, request) => {
    const tags = parseTags(await request.payload.bytes(documentBytesMax), objectTagsMax);
    return changeTags(head, request, tags, 200);
  },
  DeleteObjectTagging: (head, request) => changeTags(head, request, [], 204),

  GetObjectRetention: async (head, request) => {
    return about(head, request, ({ lock }, bucket) => {
      requireLockable(bucket);
      if (lock === undefined) throw new S3Error('NoSuchObjectLockConfiguration');
      return { body: retentionDocument(lock) };
    });
  },
  PutObjectRetention: async (head, request, permit) => {
    const lock = parseRetention(await request.payload.bytes(documentBytesMax));
    const bucket = bucketOf(head, request);
    const object = objectOf(request);
    const rules = deletionRules(head, request, { permit, key: object.key });
    await write(head, (db) => setRetention(db, bucket, object, lock, rules));
    return {};
  },
  GetObjectLegalHold: async (head, request) => {
    return about(head, request, ({ legalHold }, bucket) => {
      requireLockable(bucket);
      if (legalHold === undefined) throw new S3Error('NoSuchObjectLockConfiguration');
      return { body: legalHoldDocument(legalHold) };
    });
  },
  PutObjectLegalHold: async (head, request) => {
    const isHeld = parseLegalHold(await request.payload.bytes(documentBytesMax));
    const bucket = bucketOf(head, request);
    await write(head, (db) => setLegalHold(db, bucket, objectOf(request), isHeld));
    return {};
  },

  GetObjectAcl: async (head, request) => {
    return about(head, request, (_object, bucket, db) => ({
      body: aclDocument(ownerOf(db, bucket)),
    }));
  },
  PutObjectAcl: async (head, request) => {
    const document = await request.payload.bytes(documentBytesMax);
    checkCannedAcl(request.headers);
    if (document.length > 0) throw new S3Error('AccessControlListNotSupported');
    return about(head, request, () => ({}));
  },

  GetObjectAttributes: async (head, request) => {
    const wanted = wantedAttributes(request);
    return about(head, request, (object) => {
      const { checksum, partCount } = object;
      const isWanted = (name: (typeof attributeNames)[number]): boolean => wanted.has(name);
      return {
        headers: { 'last-modified': httpDate(object.modifiedMs) },
        body: attributesDocument({
          etag: isWanted('ETag') ? object.etag : undefined,
          checksum: isWanted('Checksum') ? checksum : undefined,
          checksumType: checksum?.type,
          sizeBytes: isWanted('ObjectSize') ? object.sizeBytes : undefined,
          storageClass: isWanted('StorageClass') ? 'STANDARD' : undefined,
          partCount: isWanted('ObjectParts') ? partCount : undefined,
        }),
      };
    });
  },
} as const satisfies Partial<Record<Operation, Handle>>;

/** Answers about the object of a request, and says which version it is. */
function about(
  head: HeadContext,
  request: S3Request,
  describe: (object: Version, bucket: Bucket, db: DatabaseSync) => S3Response,
): S3Response {
  const bucket = bucketOf(head, request);
  return read(head, (db) => {
    const { key, versionId } = objectOf(request);
    const object = requireObject(db, bucket.no, key, versionId);
    const answer = describe(object, bucket, db);
    return { ...answer, headers: { ...versionHeaders(bucket, object), ...answer.headers } };
  });
}

async function changeTags(
  head: HeadContext,
  request: S3Request,
  tags: ObjectHeaders['tags'],
  status: number,
): Promise<S3Response> {
  const bucket = bucketOf(head, request);
  const { key, versionId } = objectOf(request);
  const changed = await write(head, (db) => {
    const object = requireObject(db, bucket.no, key, versionId);
    setTags(db, object, tags);
    return object;
  });
  return { status, headers: versionHeaders(bucket, changed) };
}

function objectOf({ key = '', query }: S3Request): {
  readonly key: string;
  readonly versionId: string | undefined;
} {
  return { key, versionId: query.get('versionId') };
}

function versionHeaders({ versioning }: Bucket, { versionId }: Version): Record<string, string> {
  return versioning === 'off' ? {} : { 'x-amz-version-id': versionId };
}

/** @throws S3Error InvalidArgument */
function wantedAttributes({ headers }: S3Request): ReadonlySet<string> {
  const names = String(headers['x-amz-object-attributes'] ?? '')
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '');
  const known: readonly string[] = attributeNames;
  if (names.length > 0 && names.every((name) => known.includes(name))) return new Set(names);
  throw new S3Error('InvalidArgument', 'Invalid attribute name specified.', {
    elements: { ArgumentName: 'x-amz-object-attributes' },
  });
}
