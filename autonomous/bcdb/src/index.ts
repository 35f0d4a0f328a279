export { Bcdb } from './bcdb.ts';
export type { OwnerReceipt, OwnerStatement } from './database.ts';
export { BcdbReplica } from './bcdb-replica.ts';
export type { BcdbReplicaOptions } from './bcdb-replica.ts';
export { BcdbServer } from './bcdb-server.ts';
export type { BcdbServerOptions, DoorOptions, ReplicaServerOptions } from './bcdb-server.ts';
export { BcdbFolder } from './config.ts';
export type { BcdbOptions } from './config.ts';
export type { BcdbErrorCode } from './errors.ts';
export { adoptHandover } from './follow/adopt-handover.ts';
export type { AdoptReport } from './follow/adopt-handover.ts';
export { Follower } from './follow/follower.ts';
export type { FollowerOptions } from './follow/follower.ts';
export { HeadFollower } from './follow/head-follower.ts';
export type { HeadFollowerOptions } from './follow/head-follower.ts';
export type { HeadSource } from './follow/head-source.ts';
export type { LightSource } from './follow/light-source.ts';
export type { LogSource } from './follow/log-source.ts';
export { loadIdentity } from './genesis-file.ts';
export type { LogIdentity } from './genesis-file.ts';
export { exportLog } from './offline/export-log.ts';
export { applyHandover, stateHandover } from './offline/handover.ts';
export type { HandoverReport, StatedHandover } from './offline/handover.ts';
export { LogVerifier } from './offline/log-verifier.ts';
export { lostRecords } from './offline/lost-records.ts';
export { rebuildFolder } from './offline/rebuild-folder.ts';
export type { RebuildReport } from './offline/rebuild-folder.ts';
export { restoreBackup } from './offline/restore-backup.ts';
export { exportFromServer } from './offline/server-export.ts';
export type { ServerExport } from './offline/server-export.ts';
export { StoppedFolder } from './offline/stopped-folder.ts';
export { verifyExport } from './offline/verify-export.ts';
export type { VerifiedRecord, VerifyExportOptions, VerifyReport } from './offline/verify-export.ts';
export { verifyFolder } from './offline/verify-folder.ts';
export type { FolderReport } from './offline/verify-folder.ts';
export { decodeCertificate, signHandover } from './record/handover.ts';
export type { HandoverCertificate, HandoverStatement } from './record/handover.ts';
export { systemUrls } from './record/system-records.ts';
export {
  Text,
  Decimal,
  Money,
  DateText,
  DateTime,
  Timestamp,
  Ref,
  indexed,
  unique,
  searchable,
} from './schema/fields.ts';
export { migrate, parseMigration } from './schema/migration.ts';
export { parseSchema } from './schema/schema-document.ts';
export { typesOf } from './schema/type-text.ts';
export { makeReaders, openReaders } from './private/readers.ts';
export type { PrivatePlace } from './private/readers.ts';
export { epochOf, openPayload, sealOverheadBytes, sealPayload } from './private/sealed-payload.ts';
export type { EpochKey, PayloadPlace } from './private/sealed-payload.ts';
