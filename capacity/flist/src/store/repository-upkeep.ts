import { isGridError, throwIfAborted } from '@commongrid/base';

import type { ChunkHash } from '../ports.ts';
import type { BlobFolder } from './blob-folder.ts';
import { unpackChunk } from './chunk-codec.ts';
import { Pace } from './pace.ts';
import type { PaceOptions } from './pace.ts';

export interface CollectResult {
  readonly keptChunks: number;
  readonly removedChunks: number;
  readonly removedBytes: number;
}

export interface RepositoryScrubResult {
  readonly checkedChunks: number;
  readonly checkedBytes: number;
  /** Removed, so that they can be put again. At most 1,000 are named. */
  readonly badChunks: readonly ChunkHash[];
}

/** Bad chunks that a report names. */
const namedChunksMax = 1_000;

/** Removes chunks that are not named and not young. */
export async function collectChunks(
  blobs: BlobFolder,
  named: ReadonlySet<ChunkHash>,
  options: { readonly signal?: AbortSignal },
): Promise<CollectResult> {
  let [keptChunks, removedChunks, removedBytes] = [0, 0, 0];
  for await (const hash of blobs.hashes()) {
    throwIfAborted(options.signal);
    const sizeBytes = named.has(hash) ? 0 : blobs.removeOld(hash);
    if (sizeBytes === 0) keptChunks++;
    else removedChunks++;
    removedBytes += sizeBytes;
  }
  return { keptChunks, removedChunks, removedBytes };
}

/** Reads and verifies all chunks, and removes those that are damaged. */
export async function scrubChunks(
  blobs: BlobFolder,
  options: PaceOptions,
): Promise<RepositoryScrubResult> {
  const pace = new Pace(options);
  const badChunks: ChunkHash[] = [];
  let [checkedChunks, checkedBytes] = [0, 0];
  for await (const hash of blobs.hashes()) {
    throwIfAborted(options.signal);
    const packed = await blobs.read(hash);
    if (packed === undefined) continue;
    await pace.spend(packed.length);
    checkedChunks++;
    checkedBytes += packed.length;
    if ((await unpackedIfSound(hash, packed)) !== undefined) continue;
    await blobs.remove(hash);
    if (badChunks.length < namedChunksMax) badChunks.push(hash);
  }
  return { checkedChunks, checkedBytes, badChunks };
}

/** The plaintext of a chunk of a repository; undefined when it is damaged. */
export async function unpackedIfSound(
  hash: ChunkHash,
  packed: Uint8Array,
): Promise<Buffer | undefined> {
  try {
    return await unpackChunk(hash, packed);
  } catch (error) {
    if (isGridError(error, 'FLIST_CHUNK_CORRUPT')) return undefined;
    throw error;
  }
}
