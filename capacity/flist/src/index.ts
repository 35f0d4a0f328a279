export type { FlistErrorCode } from './errors.ts';
export type { ChunkHash, ChunkSink, ChunkSource, KeyDirectory, PackedChunk } from './ports.ts';
export { byteTextFrom, byteTextOf, bytesOfText, shownText } from './tree/byte-text.ts';
export type { ByteText } from './tree/byte-text.ts';
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
