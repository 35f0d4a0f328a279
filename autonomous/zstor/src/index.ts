export { copyKey, shardKey } from './backends/backend.ts';
export type { Backend, BackendPlace, BackendState } from './backends/backend.ts';
export { BackendPool } from './backends/backend-pool.ts';
export type { BackendPoolOptions } from './backends/backend-pool.ts';
export { nameOfBackend, readBackendsFile } from './backends/backends-file.ts';
export type { BackendSpec } from './backends/backends-file.ts';
export type { Credit, CreditLoan } from './backends/credit.ts';
export { BlobReader } from './blob/blob-reader.ts';
export type {
  BlobReaderOptions,
  BlobSpan,
  ReadOptions,
  StreamOptions,
} from './blob/blob-reader.ts';
export { BlobWriter } from './blob/blob-writer.ts';
export type { BlobWriterOptions, StoragePolicy, WriteOptions } from './blob/blob-writer.ts';
export { ChunkIds } from './blob/chunk-ids.ts';
export type { ChunkIdRequest } from './blob/chunk-ids.ts';
export type { ChunkRecord, Locations } from './blob/chunk-record.ts';
export { ChunkTable, chunkTableSchema, insertChunks } from './blob/chunk-table.ts';
export type { ShardFault } from './blob/shard-fetch.ts';
export { openStreamBudget } from './blob/stream-budget.ts';
export type { BlobChunk, StoredBlob, WrittenBlob } from './blob/written-blob.ts';
export { BlobStore } from './blob-store.ts';
export type { BlobStoreOptions } from './blob-store.ts';
export { controlPathOf } from './care/care-actions.ts';
export { holdMsMax } from './care/hold-action.ts';
export type { StoreActions } from './care/care-actions.ts';
export { Care } from './care/care.ts';
export type { CareTimes } from './care/care-options.ts';
export type { BackendStatus, CareStatus } from './care/care-status.ts';
export type { AuditCounts } from './care/shard-audit.ts';
export { Catalog } from './catalog/catalog.ts';
export { statementOf } from './catalog/statement-of.ts';
export type { CatalogOptions, StandByOptions } from './catalog/catalog.ts';
export type { LogPlace } from './catalog/found-log.ts';
export type { MemberState } from './catalog/log-head.ts';
export type { SnapshotStore } from './catalog/snapshot-store.ts';
export type { TlogMember } from './catalog/tlog-member.ts';
export { ZdbMember } from './catalog/zdb-member.ts';
export type { ZdbMemberOptions } from './catalog/zdb-member.ts';
export { ErasureCode, shardsMax } from './code/erasure-code.ts';
export { Blob, blobChunksMax } from './chunk/blob.ts';
export type { BlobSecret, ChunkPlace } from './chunk/blob.ts';
export { BufferPool, freeBuffer, sharedPool } from './chunk/buffer-pool.ts';
export { openChunk, repairShards, sealChunk } from './chunk/chunk.ts';
export type { SealedChunk } from './chunk/chunk.ts';
export { checkPolicy, chunkSizesBytes, shardValueBytesMax } from './chunk/policy.ts';
export type { ChunkPolicy, ChunkSizeBytes, Compression } from './chunk/policy.ts';
export { digestOf, parseShard, parseShardOf, shardHeaderBytes } from './chunk/shard.ts';
export type { ChunkShape, Shard, ShardAddress } from './chunk/shard.ts';
export type { Manifest, ManifestBlob } from './manifest/manifest.ts';
export { owedManifestTable } from './manifest/manifest-schema.ts';
export { findManifestBlob, manifestBlobOf, releaseManifest } from './manifest/manifest-tables.ts';
export type { Documented } from './manifest/manifests.ts';
export type { NodeFigures } from './placement/durability.ts';
export { placeShards } from './placement/place-shards.ts';
export type { Placement } from './placement/place-shards.ts';
export type { Candidate, PlacementRules } from './placement/placement-rules.ts';
export { planStorage } from './placement/plan.ts';
export type { Plan } from './placement/plan.ts';
export { rebuildStore } from './rebuild/rebuild-store.ts';
export type { RebuildOptions, RebuildReport } from './rebuild/rebuild-store.ts';
export { acceptRebuild, isRebuilt } from './rebuild/rebuild-tables.ts';
export { Stor } from './stor.ts';
export type { GetOptions, PutOptions, StorOptions } from './stor.ts';
export type { BlobCheck } from './stor/check-blob.ts';
export {
  adoptBlob,
  blobTables,
  bytesOf,
  insertBlob,
  releaseBlob,
  retainBlob,
} from './stor/blob-tables.ts';
export type { BlobRow } from './stor/blob-tables.ts';
export { releaseKey } from './stor/key-tables.ts';
export type { KeyWrap } from './stor/key-wrap.ts';
export type { StorFile } from './stor/file-tables.ts';
export { CodingThreads } from './threads/coding-threads.ts';
export type { Md5Stream, ShardAnswer } from './threads/coding-threads.ts';
export type { ZstorErrorCode } from './errors.ts';
