import { decodeFlist } from '../format/decode-flist.ts';
import { encodeFlist } from '../format/encode-flist.ts';
import { flistDigestOf } from '../format/flist.ts';
import type { FlistDigest } from '../format/flist.ts';
import type { ChunkHash } from '../ports.ts';
import { chunkCountOf, chunkSizeOf, hashAt } from '../store/file-chunks.ts';
import { filesOf } from '../store/files-of.ts';
import { hashBytes } from '../tree/inode.ts';
import { mergeFlists } from '../tree/merge-flists.ts';

/** What a hub has to know of an image. */
export interface FlistFacts {
  /** Canonical bytes. */
  readonly bytes: Uint8Array;
  readonly digest: FlistDigest;
  /** Of its chunks, each once. */
  readonly contentBytes: number;
  /** SHA-256 of its chunks, each once, one behind the other. */
  readonly chunkHashes: Uint8Array;
}

/**
 * Looks through an image, or puts one on another first. It takes a second for half a million inodes.
 * @param images one or two of them, canonical bytes; the second is on top
 * @throws FLIST_CORRUPT, FLIST_TOO_LARGE and what else `decodeFlist` and `encodeFlist` throw
 */
export function flistFactsOf(images: readonly Uint8Array[]): FlistFacts {
  const [first, ...others] = images;
  if (first === undefined) throw new TypeError('no image');
  const bytes = others.length === 0 ? first : encodeFlist(mergeFlists(images.map(decodeFlist)));
  const sizes = new Map<ChunkHash, number>();
  for (const file of filesOf(decodeFlist(bytes).root)) {
    for (let index = 0; index < chunkCountOf(file); index++) {
      sizes.set(hashAt(file, index), chunkSizeOf(file, index));
    }
  }
  const chunkHashes = Buffer.alloc(sizes.size * hashBytes);
  let [at, contentBytes] = [0, 0];
  for (const [hash, sizeBytes] of sizes) {
    at += chunkHashes.write(hash, at, 'hex');
    contentBytes += sizeBytes;
  }
  return { bytes, digest: flistDigestOf(bytes), contentBytes, chunkHashes };
}
