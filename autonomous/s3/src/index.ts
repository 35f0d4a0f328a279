export type {
  BucketReport,
  ClientKey,
  FsckReport,
  StatReport,
  UserReport,
} from './admin/admin-actions.ts';
export type { FsckProgress } from './admin/fsck.ts';
export { askStoreStatus } from './ask-store-status.ts';
export type { StoreStatusQuestion } from './ask-store-status.ts';
export type { S3PackageErrorCode } from './errors.ts';
export type { Anchor, AnchorLog, AnchorReport } from './prove/anchoring.ts';
export { verifyVersionProof } from './prove/version-proof.ts';
export type { VerifiedVersion, VersionProof } from './prove/version-proof.ts';
export { S3Endpoint } from './protocol/s3-endpoint.ts';
export type { S3EndpointOptions } from './protocol/s3-endpoint.ts';
export type { Answered, S3Handler } from './protocol/s3-exchange.ts';
export { S3Error } from './protocol/s3-error.ts';
export type { S3ErrorCode, S3ErrorOptions } from './protocol/s3-error.ts';
export type { S3Request, S3Response } from './protocol/s3-request.ts';
export type { AccessKey } from './rights/rights.ts';
export { rights } from './rights/actions.ts';
export type { Right } from './rights/actions.ts';
export { rebuildS3 } from './rebuild-s3.ts';
export type { S3RebuildOptions } from './rebuild-s3.ts';
export { S3Head } from './s3-head.ts';
export type { S3HeadOptions } from './s3-head.ts';
