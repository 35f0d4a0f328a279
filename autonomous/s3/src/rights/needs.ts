import { parseCopySource } from '../protocol/address.ts';
import type { Operation } from '../protocol/operations.ts';
import type { S3Request } from '../protocol/s3-request.ts';
import type { Action } from './actions.ts';

/** What has to be allowed: an action on a bucket, or on an object in it. */
export interface Need {
  readonly action: Action;
  readonly bucket: string;
  readonly key: string | undefined;
}

type Asked = Pick<S3Request, 'operation' | 'bucket' | 'key' | 'query' | 'headers'>;

/** By operation, the action on its bucket or key. Those that need none, or more, are below. */
const simple: Readonly<Partial<Record<Operation, Action>>> = {
  HeadBucket: 's3:ListBucket',
  DeleteBucket: 's3:DeleteBucket',
  GetBucketLocation: 's3:GetBucketLocation',
  GetBucketVersioning: 's3:GetBucketVersioning',
  PutBucketVersioning: 's3:PutBucketVersioning',
  GetBucketTagging: 's3:GetBucketTagging',
  PutBucketTagging: 's3:PutBucketTagging',
  DeleteBucketTagging: 's3:PutBucketTagging',
  GetBucketCors: 's3:GetBucketCORS',
  PutBucketCors: 's3:PutBucketCORS',
  DeleteBucketCors: 's3:PutBucketCORS',
  GetBucketLifecycleConfiguration: 's3:GetLifecycleConfiguration',
  PutBucketLifecycleConfiguration: 's3:PutLifecycleConfiguration',
  DeleteBucketLifecycle: 's3:PutLifecycleConfiguration',
  GetBucketPolicy: 's3:GetBucketPolicy',
  PutBucketPolicy: 's3:PutBucketPolicy',
  DeleteBucketPolicy: 's3:DeleteBucketPolicy',
  GetBucketPolicyStatus: 's3:GetBucketPolicyStatus',
  GetBucketEncryption: 's3:GetEncryptionConfiguration',
  PutBucketEncryption: 's3:PutEncryptionConfiguration',
  DeleteBucketEncryption: 's3:PutEncryptionConfiguration',
  GetObjectLockConfiguration: 's3:GetBucketObjectLockConfiguration',
  PutObjectLockConfiguration: 's3:PutBucketObjectLockConfiguration',
  GetBucketAcl: 's3:GetBucketAcl',
  PutBucketAcl: 's3:PutBucketAcl',
  ListMultipartUploads: 's3:ListBucketMultipartUploads',
  ListObjectVersions: 's3:ListBucketVersions',
  ListObjectsV2: 's3:ListBucket',
  ListObjects: 's3:ListBucket',
  ListParts: 's3:ListMultipartUploadParts',
  GetObjectRetention: 's3:GetObjectRetention',
  GetObjectLegalHold: 's3:GetObjectLegalHold',
  PutObjectRetention: 's3:PutObjectRetention',
  PutObjectLegalHold: 's3:PutObjectLegalHold',
  UploadPart: 's3:PutObject',
  UploadPartCopy: 's3:PutObject',
  CompleteMultipartUpload: 's3:PutObject',
  PutObject: 's3:PutObject',
  CopyObject: 's3:PutObject',
  CreateMultipartUpload: 's3:PutObject',
  AbortMultipartUpload: 's3:AbortMultipartUpload',
};

/** Operations whose action is another one when a version is named. */
const versioned: Readonly<Partial<Record<Operation, readonly [current: Action, version: Action]>>> =
  {
    GetObject: ['s3:GetObject', 's3:GetObjectVersion'],
    HeadObject: ['s3:GetObject', 's3:GetObjectVersion'],
    GetObjectTagging: ['s3:GetObjectTagging', 's3:GetObjectVersionTagging'],
    PutObjectTagging: ['s3:PutObjectTagging', 's3:PutObjectVersionTagging'],
    DeleteObjectTagging: ['s3:DeleteObjectTagging', 's3:DeleteObjectVersionTagging'],
    GetObjectAcl: ['s3:GetObjectAcl', 's3:GetObjectVersionAcl'],
    PutObjectAcl: ['s3:PutObjectAcl', 's3:PutObjectVersionAcl'],
    DeleteObject: ['s3:DeleteObject', 's3:DeleteObjectVersion'],
  };

/**
 * Operations that are judged elsewhere: by who the caller is, by the key of each object in a list, or
 * by CORS.
 */
export const judgedApart: ReadonlySet<Operation> = new Set([
  'GetStoreStatus',
  'ListBuckets',
  'CreateBucket',
  'DeleteObjects',
  'PreflightBucket',
  'PreflightObject',
]);

/** Headers of an upload that ask for more than the upload. */
const byHeader: readonly (readonly [header: string, action: Action])[] = [
  ['x-amz-tagging', 's3:PutObjectTagging'],
  ['x-amz-acl', 's3:PutObjectAcl'],
  ['x-amz-object-lock-mode', 's3:PutObjectRetention'],
  ['x-amz-object-lock-retain-until-date', 's3:PutObjectRetention'],
  ['x-amz-object-lock-legal-hold', 's3:PutObjectLegalHold'],
];
const uploads: ReadonlySet<Operation> = new Set([
  'PutObject',
  'CopyObject',
  'CreateMultipartUpload',
]);
const copies: ReadonlySet<Operation> = new Set(['CopyObject', 'UploadPartCopy']);

/**
 * All that a request needs to be allowed. Empty for those of `judgedApart`.
 * @throws S3Error InvalidArgument for a copy source that names nothing
 */
export function needsOf(asked: Asked): readonly Need[] {
  const { operation, bucket, key, query } = asked;
  if (bucket === undefined || judgedApart.has(operation)) return [];
  const isVersion = query.has('versionId');
  const need = (action: Action): Need => ({ action, bucket, key });
  if (operation === 'GetObjectAttributes') {
    return isVersion
      ? [need('s3:GetObjectVersion'), need('s3:GetObjectVersionAttributes')]
      : [need('s3:GetObject'), need('s3:GetObjectAttributes')];
  }
  const action = simple[operation] ?? versioned[operation]?.[isVersion ? 1 : 0];
  // A new operation that is not in the tables above is refused to all.
  if (action === undefined) throw new TypeError(`no action is known for ${operation}`);
  const needs = [need(action)];
  if (uploads.has(operation)) {
    for (const [header, more] of byHeader) {
      if (asked.headers[header] !== undefined) needs.push(need(more));
    }
  }
  if (copies.has(operation)) needs.push(sourceNeed(asked));
  return needs;
}

/** What an object of DeleteObjects needs. */
export function deleteAction(versionId: string | undefined): Action {
  return versionId === undefined ? 's3:DeleteObject' : 's3:DeleteObjectVersion';
}

function sourceNeed({ headers }: Asked): Need {
  const source = parseCopySource(String(headers['x-amz-copy-source']));
  const { bucket, key, versionId } = source;
  const action = versionId === undefined ? 's3:GetObject' : 's3:GetObjectVersion';
  return { action, bucket, key };
}
