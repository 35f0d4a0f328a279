export type { FlistErrorCode } from './errors.ts';
export { decodeFlist } from './format/decode-flist.ts';
export { encodeFlist } from './format/encode-flist.ts';
export { flistDigestOf, parseFlistDigest } from './format/flist.ts';
export type { Flist, FlistDigest, TraceRange } from './format/flist.ts';
export { signFlist, verifyFlistSignature } from './format/flist-signature.ts';
export type { FlistSignature } from './format/flist-signature.ts';
export { imageConfigOf } from './format/image-config.ts';
export type { ExposedPort, Healthcheck, ImageConfig } from './format/image-config.ts';
export { chunkHashesOf, objectIdOf } from './format/object-id.ts';
export type { ObjectId } from './format/object-id.ts';
export { packFlist, unpackFlist } from './format/pack-flist.ts';
export { HubClient } from './hub/hub-client.ts';
export type { HubClientOptions, PageQuery } from './hub/hub-client.ts';
export { HubServer } from './hub/hub-server.ts';
export type { HubLimits, HubServerOptions } from './hub/hub-server.ts';
export { hubReferenceText, parseHubReference } from './hub/hub-reference.ts';
export type { HubReference } from './hub/hub-reference.ts';
export type {
  HubName,
  HubPage,
  HubRepository,
  HubRepositorySummary,
  HubUser,
  HubVersion,
  ResolvedName,
} from './hub/hub-types.ts';
export type {
  TransferOptions,
  TransferProgress,
  TransferResult,
  UploadSource,
} from './hub/transfer-image.ts';
export { createFromFolder } from './make/create-from-folder.ts';
export { createFromTar } from './make/create-from-tar.ts';
export type { MadeImage } from './make/create-from-tar.ts';
export type { MakeNote, MakeReport } from './make/make-log.ts';
export { DockerArchive } from './oci/docker-archive.ts';
export { exportImage } from './oci/export-image.ts';
export type { ExportedImage, ExportProgress } from './oci/export-image.ts';
export type { ImageSource } from './oci/image-source.ts';
export { importImage } from './oci/import-image.ts';
export type { ImportProgress } from './oci/import-image.ts';
export { OciLayout } from './oci/oci-layout.ts';
export { parsePlatform } from './oci/platform.ts';
export { pushFlist } from './oci/push-image.ts';
export type { PushProgress } from './oci/push-image.ts';
export type { RegistryCredentials } from './oci/registry-auth.ts';
export type { RegistryOptions } from './oci/registry-client.ts';
export { RegistryImage } from './oci/registry-image.ts';
export { holdFuse } from './fuse/fuse-holder.ts';
export type { FuseHolderOptions } from './fuse/fuse-holder.ts';
export type { FuseSession } from './fuse/fuse-wire.ts';
export { isStoreMounted } from './fuse/fuse-holder.ts';
export { controlPathOf, ImageService } from './mount/image-service.ts';
export type { ImageServiceOptions } from './mount/image-service.ts';
export type { MountRequest } from './mount/image-mounts.ts';
export type { MountMode, MountRecord } from './mount/mount-journal.ts';
export { serviceCommand } from './mount/service-command.ts';
export { readServiceConfig, writeServiceConfig } from './mount/service-config.ts';
export { runImageService } from './mount/run-image-service.ts';
export type { OpenPlugged } from './mount/run-image-service.ts';
export type { PluggedSource, ServiceConfig, ServiceSource } from './mount/service-config.ts';
export type { ChunkHash, ChunkSink, ChunkSource, KeyDirectory, PackedChunk } from './ports.ts';
export { absentLength, batchHashesMax, frameHeader } from './sources/chunk-frames.ts';
export { DirectorySource } from './sources/directory-source.ts';
export { isHashText, parseChunkHash } from './sources/hash-text.ts';
export { HttpSource } from './sources/http-source.ts';
export type { HttpSourceOptions } from './sources/http-source.ts';
export { SourceSet } from './sources/source-set.ts';
export type {
  ChunkWant,
  SourceSetOptions,
  SourceSpec,
  SourceStatus,
} from './sources/source-set.ts';
export type { HashRange, SourceEvent } from './sources/source-state.ts';
export { ZdbSource } from './sources/zdb-source.ts';
export type { ZdbSourceOptions } from './sources/zdb-source.ts';
export { packChunk, packedChunkBytesMax, unpackChunk } from './store/chunk-codec.ts';
export { FlistRepository } from './store/flist-repository.ts';
export type { FlistRepositoryOptions } from './store/flist-repository.ts';
export { RepositoryReader } from './store/repository-reader.ts';
export type { CollectResult, RepositoryScrubResult } from './store/repository-upkeep.ts';
export { chunkCountOf, chunkSizeOf, hashAt } from './store/file-chunks.ts';
export { ObjectStore } from './store/object-store.ts';
export type {
  ChunkPlace,
  NeedOptions,
  ObjectStoreOptions,
  StoreEvent,
  StoreScrubResult,
  StoreUsage,
  VerifyResult,
} from './store/store-types.ts';
export { completedFileBytesMax } from './store/whole-files.ts';
export { readTar } from './tar/read-tar.ts';
export type { TarEntry } from './tar/tar-entry.ts';
export { byteTextFrom, byteTextOf, bytesOfText, shownText } from './tree/byte-text.ts';
export type { ByteText } from './tree/byte-text.ts';
export type { NewNode } from './tree/check-inode.ts';
export { diffFlists } from './tree/diff-flists.ts';
export type { FlistDiff } from './tree/diff-flists.ts';
export type { ChangedPart, TreeChange } from './tree/diff-trees.ts';
export { findPath } from './tree/find-path.ts';
export { chunkBytes, hashBytes } from './tree/inode.ts';
export type {
  Device,
  Directory,
  Fifo,
  Inode,
  InodeBase,
  RegularFile,
  Symlink,
  Xattr,
} from './tree/inode.ts';
export { listLines, modeText } from './tree/list-lines.ts';
export { mergeFlists } from './tree/merge-flists.ts';
export type { ResolveOptions } from './tree/resolve-path.ts';
export { summarizeFlist } from './tree/summarize-flist.ts';
export type { FlistSummary } from './tree/summarize-flist.ts';
export { TreeBuilder } from './tree/tree-builder.ts';
export type { TreeLimits } from './tree/tree-builder.ts';
export { walkTree } from './tree/walk-tree.ts';
export type { WalkedName } from './tree/walk-tree.ts';
