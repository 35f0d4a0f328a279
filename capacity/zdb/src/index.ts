export { resolveOptions } from './config.ts';
export type { ServerMode, ZdbServerOptions } from './config.ts';
export type { ZdbErrorCode } from './errors.ts';
export type {
  DamageEvent,
  DivergedEvent,
  FailureEvent,
  FencedEvent,
  PromotedEvent,
  QuotaEvent,
  ReplicationEvent,
  ResyncEvent,
  SegmentMissingEvent,
  SegmentSealedEvent,
  ZdbEvent,
} from './events.ts';
export { ZdbServer } from './server/server.ts';
export { exportFolder } from './offline/export-folder.ts';
export type { ExportOptions, ExportResult } from './offline/export-folder.ts';
export type { Finding, FindingKind } from './offline/finding.ts';
export { FrozenFolder } from './offline/frozen-folder.ts';
export type { FrozenFile } from './offline/frozen-folder.ts';
export { importFolder } from './offline/import-folder.ts';
export type { ImportOptions, ImportResult } from './offline/import-folder.ts';
export { exportOriginal } from './offline/original/export-original.ts';
export type {
  ExportOriginalOptions,
  ExportOriginalResult,
} from './offline/original/export-original.ts';
export { importOriginal } from './offline/original/import-original.ts';
export type {
  ImportOriginalOptions,
  ImportOriginalResult,
} from './offline/original/import-original.ts';
export type { OriginalFinding, OriginalFolders } from './offline/original/read-original.ts';
export { repairFolder } from './offline/repair-folder.ts';
export type { RepairOptions, RepairReport } from './offline/repair-folder.ts';
export type { Loss } from './offline/repair-loss.ts';
export { verifyFolder } from './offline/verify-folder.ts';
export type { VerifyReport } from './offline/verify-folder.ts';
export type { Progress, WorkOptions } from './offline/work.ts';
