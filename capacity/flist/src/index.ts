export type { FlistErrorCode } from './errors.ts';
export { decodeFlist } from './format/decode-flist.ts';
export { encodeFlist } from './format/encode-flist.ts';
export { flistDigestOf, parseFlistDigest } from './format/flist.ts';
export type { Flist, FlistDigest, TraceRange } from './format/flist.ts';
export { chunkHashesOf, objectIdOf } from './format/object-id.ts';
export type { ObjectId } from './format/object-id.ts';
export { packFlist, unpackFlist } from './format/pack-flist.ts';
export type { ChunkHash, ChunkSink, ChunkSource, KeyDirectory, PackedChunk } from './ports.ts';
export { byteTextFrom, byteTextOf, bytesOfText, shownText } from './tree/byte-text.ts';
export type { ByteText } from './tree/byte-text.ts';
export type { NewNode } from './tree/check-inode.ts';
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
export type { ResolveOptions } from './tree/resolve-path.ts';
export { TreeBuilder } from './tree/tree-builder.ts';
export type { TreeLimits } from './tree/tree-builder.ts';
export { walkTree } from './tree/walk-tree.ts';
export type { WalkedName } from './tree/walk-tree.ts';
