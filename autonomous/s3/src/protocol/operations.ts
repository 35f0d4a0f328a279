/** What an operation is asked of. */
export type Resource = 'service' | 'bucket' | 'object';

/**
 * How an operation is told from others of the same method and resource: by a subresource in the
 * query, by a value of it, and by a header.
 */
interface Rule {
  readonly method: string;
  readonly resource: Resource;
  /** A parameter of the query; without it the rule is for requests with no subresource. */
  readonly sub?: string;
  /** A second parameter that must be there. */
  readonly with?: string;
  /** The value that `sub` must have. */
  readonly value?: string;
  readonly header?: string;
}

const bucket = (method: string, sub?: string): Rule =>
  sub === undefined ? { method, resource: 'bucket' } : { method, resource: 'bucket', sub };
const object = (method: string, sub?: string): Rule =>
  sub === undefined ? { method, resource: 'object' } : { method, resource: 'object', sub };

/** Asks for how the store is; with the value `survey` as its records are now. */
export const storeStatusParameter = 'commongrid-store';

/** The operations that are answered. Of two that fit, the first is meant. */
export const operations = {
  ListBuckets: { method: 'GET', resource: 'service' },
  /** Not of S3: how the store below is, for whoever looks after its Zero-DBs. */
  GetStoreStatus: { method: 'GET', resource: 'service', sub: storeStatusParameter },

  CreateBucket: bucket('PUT'),
  HeadBucket: bucket('HEAD'),
  DeleteBucket: bucket('DELETE'),
  GetBucketLocation: bucket('GET', 'location'),
  GetBucketVersioning: bucket('GET', 'versioning'),
  PutBucketVersioning: bucket('PUT', 'versioning'),
  GetBucketTagging: bucket('GET', 'tagging'),
  PutBucketTagging: bucket('PUT', 'tagging'),
  DeleteBucketTagging: bucket('DELETE', 'tagging'),
  GetBucketCors: bucket('GET', 'cors'),
  PutBucketCors: bucket('PUT', 'cors'),
  DeleteBucketCors: bucket('DELETE', 'cors'),
  GetBucketLifecycleConfiguration: bucket('GET', 'lifecycle'),
  PutBucketLifecycleConfiguration: bucket('PUT', 'lifecycle'),
  DeleteBucketLifecycle: bucket('DELETE', 'lifecycle'),
  GetBucketPolicy: bucket('GET', 'policy'),
  PutBucketPolicy: bucket('PUT', 'policy'),
  DeleteBucketPolicy: bucket('DELETE', 'policy'),
  GetBucketPolicyStatus: bucket('GET', 'policyStatus'),
  GetBucketEncryption: bucket('GET', 'encryption'),
  PutBucketEncryption: bucket('PUT', 'encryption'),
  DeleteBucketEncryption: bucket('DELETE', 'encryption'),
  GetObjectLockConfiguration: bucket('GET', 'object-lock'),
  PutObjectLockConfiguration: bucket('PUT', 'object-lock'),
  GetBucketAcl: bucket('GET', 'acl'),
  PutBucketAcl: bucket('PUT', 'acl'),
  ListMultipartUploads: bucket('GET', 'uploads'),
  ListObjectVersions: bucket('GET', 'versions'),
  ListObjectsV2: { method: 'GET', resource: 'bucket', sub: 'list-type', value: '2' },
  ListObjects: bucket('GET'),
  DeleteObjects: bucket('POST', 'delete'),

  ListParts: object('GET', 'uploadId'),
  GetObjectAttributes: object('GET', 'attributes'),
  GetObjectTagging: object('GET', 'tagging'),
  GetObjectRetention: object('GET', 'retention'),
  GetObjectLegalHold: object('GET', 'legal-hold'),
  GetObjectAcl: object('GET', 'acl'),
  GetObject: object('GET'),
  HeadObject: object('HEAD'),
  UploadPartCopy: {
    method: 'PUT',
    resource: 'object',
    sub: 'uploadId',
    with: 'partNumber',
    header: 'x-amz-copy-source',
  },
  UploadPart: { method: 'PUT', resource: 'object', sub: 'uploadId', with: 'partNumber' },
  PutObjectTagging: object('PUT', 'tagging'),
  PutObjectRetention: object('PUT', 'retention'),
  PutObjectLegalHold: object('PUT', 'legal-hold'),
  PutObjectAcl: object('PUT', 'acl'),
  CopyObject: { method: 'PUT', resource: 'object', header: 'x-amz-copy-source' },
  PutObject: object('PUT'),
  CreateMultipartUpload: object('POST', 'uploads'),
  CompleteMultipartUpload: object('POST', 'uploadId'),
  AbortMultipartUpload: object('DELETE', 'uploadId'),
  DeleteObjectTagging: object('DELETE', 'tagging'),
  DeleteObject: object('DELETE'),

  PreflightBucket: bucket('OPTIONS'),
  PreflightObject: object('OPTIONS'),
} as const satisfies Record<string, Rule>;

export type Operation = keyof typeof operations;

/** Operations of S3 that are answered NotImplemented by name. */
export const refusedOperations = {
  PostObject: bucket('POST'),
  CreateSession: bucket('GET', 'session'),
  GetBucketAbac: bucket('GET', 'abac'),
  PutBucketAbac: bucket('PUT', 'abac'),
  GetBucketAccelerateConfiguration: bucket('GET', 'accelerate'),
  PutBucketAccelerateConfiguration: bucket('PUT', 'accelerate'),
  GetBucketAnalyticsConfiguration: bucket('GET', 'analytics'),
  PutBucketAnalyticsConfiguration: bucket('PUT', 'analytics'),
  DeleteBucketAnalyticsConfiguration: bucket('DELETE', 'analytics'),
  GetBucketIntelligentTieringConfiguration: bucket('GET', 'intelligent-tiering'),
  PutBucketIntelligentTieringConfiguration: bucket('PUT', 'intelligent-tiering'),
  DeleteBucketIntelligentTieringConfiguration: bucket('DELETE', 'intelligent-tiering'),
  GetBucketInventoryConfiguration: bucket('GET', 'inventory'),
  PutBucketInventoryConfiguration: bucket('PUT', 'inventory'),
  DeleteBucketInventoryConfiguration: bucket('DELETE', 'inventory'),
  GetBucketLogging: bucket('GET', 'logging'),
  PutBucketLogging: bucket('PUT', 'logging'),
  GetBucketMetadataConfiguration: bucket('GET', 'metadataConfiguration'),
  CreateBucketMetadataConfiguration: bucket('POST', 'metadataConfiguration'),
  DeleteBucketMetadataConfiguration: bucket('DELETE', 'metadataConfiguration'),
  UpdateBucketMetadataInventoryTableConfiguration: bucket('PUT', 'metadataInventoryTable'),
  UpdateBucketMetadataJournalTableConfiguration: bucket('PUT', 'metadataJournalTable'),
  GetBucketMetadataTableConfiguration: bucket('GET', 'metadataTable'),
  CreateBucketMetadataTableConfiguration: bucket('POST', 'metadataTable'),
  DeleteBucketMetadataTableConfiguration: bucket('DELETE', 'metadataTable'),
  GetBucketMetricsConfiguration: bucket('GET', 'metrics'),
  PutBucketMetricsConfiguration: bucket('PUT', 'metrics'),
  DeleteBucketMetricsConfiguration: bucket('DELETE', 'metrics'),
  GetBucketNotificationConfiguration: bucket('GET', 'notification'),
  PutBucketNotificationConfiguration: bucket('PUT', 'notification'),
  GetBucketOwnershipControls: bucket('GET', 'ownershipControls'),
  PutBucketOwnershipControls: bucket('PUT', 'ownershipControls'),
  DeleteBucketOwnershipControls: bucket('DELETE', 'ownershipControls'),
  GetPublicAccessBlock: bucket('GET', 'publicAccessBlock'),
  PutPublicAccessBlock: bucket('PUT', 'publicAccessBlock'),
  DeletePublicAccessBlock: bucket('DELETE', 'publicAccessBlock'),
  GetBucketReplication: bucket('GET', 'replication'),
  PutBucketReplication: bucket('PUT', 'replication'),
  DeleteBucketReplication: bucket('DELETE', 'replication'),
  GetBucketRequestPayment: bucket('GET', 'requestPayment'),
  PutBucketRequestPayment: bucket('PUT', 'requestPayment'),
  GetBucketWebsite: bucket('GET', 'website'),
  PutBucketWebsite: bucket('PUT', 'website'),
  DeleteBucketWebsite: bucket('DELETE', 'website'),
  GetObjectTorrent: object('GET', 'torrent'),
  RestoreObject: object('POST', 'restore'),
  SelectObjectContent: object('POST', 'select'),
  RenameObject: object('PUT', 'renameObject'),
  UpdateObjectEncryption: object('PUT', 'encryption'),
  WriteGetObjectResponse: { method: 'POST', resource: 'service' },
} as const satisfies Record<string, Rule>;

export type RefusedOperation = keyof typeof refusedOperations;
export type { Rule };
