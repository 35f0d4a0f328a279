import { imageConfigOf } from '../format/image-config.ts';
import type { ImageConfig } from '../format/image-config.ts';
import { chunkHashesOf, objectIdOf } from '../format/object-id.ts';
import type { ObjectId } from '../format/object-id.ts';
import type { Flist } from '../format/flist.ts';
import type { ChunkHash } from '../ports.ts';
import { chunkBytes } from './inode.ts';
import type { Inode, RegularFile } from './inode.ts';
import { walkTree } from './walk-tree.ts';

/** An image in numbers. */
export interface FlistSummary {
  /** Inodes of each kind. */
  readonly inodes: Readonly<Record<Inode['kind'], number>>;
  /** Names beyond the first of an inode. */
  readonly hardLinks: number;
  /** Bytes of all files; one with several names counts once. */
  readonly sizeBytes: number;
  /** Different contents of files. */
  readonly objects: number;
  /** Different chunks, and their bytes before they are packed. */
  readonly chunks: number;
  readonly chunkSizeBytes: number;
  /** Different chunks that the trace names, and their bytes before they are packed. */
  readonly traceChunks: number;
  readonly traceSizeBytes: number;
  readonly config: ImageConfig;
}

/** @throws FLIST_CONFIG_INVALID */
export function summarizeFlist(flist: Flist): FlistSummary {
  const inodes = {
    file: 0,
    directory: 0,
    symlink: 0,
    'character-device': 0,
    'block-device': 0,
    fifo: 0,
  };
  const objects = new Set<ObjectId>();
  const chunks = new ChunkCount();
  let hardLinks = 0;
  let sizeBytes = 0;
  for (const { inode, isFirstName } of walkTree(flist.root)) {
    if (!isFirstName) {
      hardLinks++;
      continue;
    }
    inodes[inode.kind]++;
    if (inode.kind !== 'file') continue;
    sizeBytes += inode.sizeBytes;
    objects.add(objectIdOf(inode));
    chunks.add(inode);
  }
  const traced = new ChunkCount();
  for (const { file, firstChunk, chunkCount } of flist.trace ?? []) {
    traced.add(file, firstChunk, firstChunk + chunkCount);
  }
  return {
    inodes,
    hardLinks,
    sizeBytes,
    objects: objects.size,
    chunks: chunks.count,
    chunkSizeBytes: chunks.sizeBytes,
    traceChunks: traced.count,
    traceSizeBytes: traced.sizeBytes,
    config: imageConfigOf(flist),
  };
}

/** Counts each chunk once. */
class ChunkCount {
  sizeBytes = 0;
  readonly #hashes = new Set<ChunkHash>();

  get count(): number {
    return this.#hashes.size;
  }

  add(file: RegularFile, from = 0, to = Infinity): void {
    for (const [at, hash] of chunkHashesOf(file).slice(from, to).entries()) {
      if (this.#hashes.has(hash)) continue;
      this.#hashes.add(hash);
      this.sizeBytes += Math.min(chunkBytes, file.sizeBytes - (from + at) * chunkBytes);
    }
  }
}
