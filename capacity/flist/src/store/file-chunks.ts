import type { ChunkHash } from '../ports.ts';
import { chunkBytes, hashBytes } from '../tree/inode.ts';
import type { RegularFile } from '../tree/inode.ts';

export function chunkCountOf({ chunkHashes }: RegularFile): number {
  return chunkHashes.length / hashBytes;
}

/** Bytes of one chunk: all but the last are full. */
export function chunkSizeOf({ sizeBytes }: RegularFile, index: number): number {
  return Math.min(chunkBytes, sizeBytes - index * chunkBytes);
}

export function hashAt({ chunkHashes }: RegularFile, index: number): ChunkHash {
  const at = index * hashBytes;
  return chunkHashes.subarray(at, at + hashBytes).toHex() as ChunkHash;
}
