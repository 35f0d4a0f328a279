/**
 * What a user may be granted on a bucket. `read`: get and list objects. `write`: put, tag, delete and
 * lock them. `admin`: all of it, the settings of the bucket, and what Object Lock lets a few do.
 */
export type Right = 'read' | 'write' | 'admin';

export const rights: readonly Right[] = ['read', 'write', 'admin'];

/** An action is about a bucket or about an object in it; with which right it may be done. */
interface ActionRule {
  readonly of: 'bucket' | 'object';
  /** `any`: with whatever right there is on the bucket. */
  readonly right: Right | 'any';
}

const bucket = (right: ActionRule['right']): ActionRule => ({ of: 'bucket', right });
const object = (right: ActionRule['right']): ActionRule => ({ of: 'object', right });

/**
 * The actions that policies name. Source: "Actions, resources, and condition keys for Amazon S3" of
 * the Service Authorization Reference.
 */
export const actionRules = {
  's3:ListBucket': bucket('read'),
  's3:ListBucketVersions': bucket('read'),
  's3:ListBucketMultipartUploads': bucket('read'),
  's3:GetBucketLocation': bucket('any'),
  's3:GetBucketVersioning': bucket('any'),
  's3:GetBucketObjectLockConfiguration': bucket('any'),
  's3:GetEncryptionConfiguration': bucket('any'),
  's3:GetBucketAcl': bucket('read'),
  's3:GetBucketTagging': bucket('read'),
  's3:GetBucketCORS': bucket('read'),
  's3:GetLifecycleConfiguration': bucket('read'),
  's3:GetBucketPolicyStatus': bucket('read'),
  's3:GetBucketPolicy': bucket('admin'),
  's3:PutBucketPolicy': bucket('admin'),
  's3:DeleteBucketPolicy': bucket('admin'),
  's3:PutBucketVersioning': bucket('admin'),
  's3:PutBucketObjectLockConfiguration': bucket('admin'),
  's3:PutEncryptionConfiguration': bucket('admin'),
  's3:PutBucketAcl': bucket('admin'),
  's3:PutBucketTagging': bucket('admin'),
  's3:PutBucketCORS': bucket('admin'),
  's3:PutLifecycleConfiguration': bucket('admin'),
  's3:DeleteBucket': bucket('admin'),

  's3:GetObject': object('read'),
  's3:GetObjectVersion': object('read'),
  's3:GetObjectAttributes': object('read'),
  's3:GetObjectVersionAttributes': object('read'),
  's3:GetObjectTagging': object('read'),
  's3:GetObjectVersionTagging': object('read'),
  's3:GetObjectAcl': object('read'),
  's3:GetObjectVersionAcl': object('read'),
  's3:GetObjectRetention': object('read'),
  's3:GetObjectLegalHold': object('read'),
  's3:PutObject': object('write'),
  's3:PutObjectAcl': object('write'),
  's3:PutObjectVersionAcl': object('write'),
  's3:PutObjectTagging': object('write'),
  's3:PutObjectVersionTagging': object('write'),
  's3:DeleteObjectTagging': object('write'),
  's3:DeleteObjectVersionTagging': object('write'),
  's3:DeleteObject': object('write'),
  's3:DeleteObjectVersion': object('write'),
  's3:AbortMultipartUpload': object('write'),
  's3:ListMultipartUploadParts': object('write'),
  's3:PutObjectRetention': object('write'),
  // Whoever may put a hold may take one away.
  's3:PutObjectLegalHold': object('admin'),
  's3:BypassGovernanceRetention': object('admin'),
} as const satisfies Record<string, ActionRule>;

export type Action = keyof typeof actionRules;

// oxlint-disable-next-line typescript/no-unsafe-type-assertion
export const actions = Object.keys(actionRules) as readonly Action[];

/** Whether somebody with these rights on a bucket may do this in it. */
export function isGranted(action: Action, granted: ReadonlySet<Right>): boolean {
  const { right } = actionRules[action];
  return granted.has('admin') || (right === 'any' ? granted.size > 0 : granted.has(right));
}
