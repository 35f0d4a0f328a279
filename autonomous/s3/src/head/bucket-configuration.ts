import { findDocument, setDocument, setObjectLock } from '../meta/buckets.ts';
import type { DocumentKind } from '../meta/buckets.ts';
import {
  corsNodes,
  lifecycleNodes,
  parseCors,
  parseLifecycle,
} from '../protocol/bucket-documents.ts';
import type { ObjectHeaders } from '../protocol/object-headers.ts';
import {
  aclDocument,
  encryptionDocument,
  objectLockDocument,
  tagsDocument,
} from '../protocol/object-documents.ts';
import type { Operation } from '../protocol/operations.ts';
import { S3Error } from '../protocol/s3-error.ts';
import type { S3ErrorCode } from '../protocol/s3-error.ts';
import type { S3Request } from '../protocol/s3-request.ts';
import { checkEncryption, parseObjectLock, parseTags } from '../protocol/xml-requests.ts';
import { writeXml } from '../protocol/xml-writer.ts';
import { checkBucketPolicy } from '../rights/rights.ts';
import { Policy } from '../rights/policy.ts';
import { checkCannedAcl } from './canned-acl.ts';
import { bucketOf, read, write } from './head-context.ts';
import type { Handle, HeadContext } from './head-context.ts';
import { ownerOf } from './owners.ts';

/** Longest document of a bucket, as it came; also what one change of the catalogue can hold. */
const documentBytesMax = 1 << 20;
/** Tags of a bucket, as at AWS. */
const bucketTagsMax = 50;

/** What buckets are configured with. Documents are kept as they came, after they were understood. */
export const bucketConfiguration = {
  GetBucketTagging: async (head, request) => {
    const tags: ObjectHeaders['tags'] = JSON.parse(
      documentOf(head, request, 'tags', 'NoSuchTagSet'),
    );
    return { body: tagsDocument(tags) };
  },
  PutBucketTagging: async (head, request) => {
    const tags = parseTags(await bodyOf(request), bucketTagsMax);
    await keep(head, request, 'tags', JSON.stringify(tags));
    return { status: 204 };
  },
  DeleteBucketTagging: (head, request) => forget(head, request, 'tags'),

  GetBucketCors: async (head, request) => {
    const document = documentOf(head, request, 'cors', 'NoSuchCORSConfiguration');
    return { body: writeXml('CORSConfiguration', corsNodes(parseCors(Buffer.from(document)))) };
  },
  PutBucketCors: async (head, request) => {
    const bytes = await bodyOf(request);
    parseCors(bytes);
    await keep(head, request, 'cors', bytes.toString('utf8'));
    return {};
  },
  DeleteBucketCors: (head, request) => forget(head, request, 'cors'),

  GetBucketLifecycleConfiguration: async (head, request) => {
    const document = documentOf(head, request, 'lifecycle', 'NoSuchLifecycleConfiguration');
    const nodes = lifecycleNodes(parseLifecycle(Buffer.from(document)));
    return { body: writeXml('LifecycleConfiguration', nodes) };
  },
  PutBucketLifecycleConfiguration: async (head, request) => {
    const bytes = await bodyOf(request);
    parseLifecycle(bytes);
    await keep(head, request, 'lifecycle', bytes.toString('utf8'));
    return {};
  },
  DeleteBucketLifecycle: (head, request) => forget(head, request, 'lifecycle'),

  GetBucketPolicy: async (head, request) => {
    const body = documentOf(head, request, 'policy', 'NoSuchBucketPolicy');
    return { headers: { 'content-type': 'application/json' }, body };
  },
  PutBucketPolicy: async (head, request) => {
    const bytes = await bodyOf(request);
    const bucket = bucketOf(head, request);
    await write(head, (db) => {
      checkBucketPolicy(db, bytes, bucket.name);
      setDocument(db, bucket, 'policy', bytes.toString('utf8'));
    });
    return { status: 204 };
  },
  DeleteBucketPolicy: (head, request) => forget(head, request, 'policy'),
  GetBucketPolicyStatus: async (head, request) => {
    const document = documentOf(head, request, 'policy', 'NoSuchBucketPolicy');
    const { isPublic } = Policy.parse(Buffer.from(document), request.bucket ?? '');
    return { body: writeXml('PolicyStatus', [['IsPublic', isPublic ? 'TRUE' : 'FALSE']]) };
  },

  /** Everything is always encrypted, and nothing else can be chosen: there is nothing to keep. */
  GetBucketEncryption: async (head, request) => {
    bucketOf(head, request);
    return { body: encryptionDocument() };
  },
  PutBucketEncryption: async (head, request) => {
    checkEncryption(await bodyOf(request));
    bucketOf(head, request);
    return {};
  },
  DeleteBucketEncryption: async (head, request) => {
    bucketOf(head, request);
    return { status: 204 };
  },

  GetObjectLockConfiguration: async (head, request) => {
    const { isLockable, retention } = bucketOf(head, request);
    if (!isLockable) throw new S3Error('ObjectLockConfigurationNotFoundError');
    return { body: objectLockDocument(retention) };
  },
  PutObjectLockConfiguration: async (head, request) => {
    const retention = parseObjectLock(await bodyOf(request));
    const bucket = bucketOf(head, request);
    await write(head, (db) => setObjectLock(db, bucket, retention));
    return {};
  },

  GetBucketAcl: async (head, request) => {
    const bucket = bucketOf(head, request);
    return { body: aclDocument(read(head, (db) => ownerOf(db, bucket))) };
  },
  PutBucketAcl: async (head, request) => {
    const bytes = await bodyOf(request);
    bucketOf(head, request);
    checkCannedAcl(request.headers);
    if (bytes.length > 0) throw new S3Error('AccessControlListNotSupported');
    return {};
  },
} as const satisfies Partial<Record<Operation, Handle>>;

function bodyOf({ payload }: S3Request): Promise<Buffer> {
  return payload.bytes(documentBytesMax);
}

/** The document of the request's bucket. @throws S3Error NoSuchBucket, and `absent` */
function documentOf(
  head: HeadContext,
  request: S3Request,
  kind: DocumentKind,
  absent: S3ErrorCode,
): string {
  const bucket = bucketOf(head, request);
  const document = read(head, (db) => findDocument(db, bucket, kind));
  if (document !== undefined) return document;
  throw new S3Error(absent, undefined, { elements: { BucketName: bucket.name } });
}

function keep(
  head: HeadContext,
  request: S3Request,
  kind: DocumentKind,
  document: string | undefined,
): Promise<void> {
  const bucket = bucketOf(head, request);
  return write(head, (db) => setDocument(db, bucket, kind, document));
}

async function forget(
  head: HeadContext,
  request: S3Request,
  kind: DocumentKind,
): Promise<{ readonly status: number }> {
  await keep(head, request, kind, undefined);
  return { status: 204 };
}
