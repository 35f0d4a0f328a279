import type { ChunkPlace } from '../chunk/blob.ts';
import { encryptChunk, sealTagBytes } from '../chunk/chunk-cipher.ts';
import { compress } from '../chunk/compression.ts';
import type { ChunkPolicy } from '../chunk/policy.ts';
import { makeShard, shardHeaderBytes, valueBytesOf } from '../chunk/shard.ts';
import type { Shard } from '../chunk/shard.ts';

/** Objects below it are written as copies of one value, and packed with others later. */
export const copiedBytesMax = 128 * 2 ** 10;

/**
 * A small object as one value that checks itself: the data shard of a code with k = 1, which holds
 * all of the ciphertext. Each of the m + 1 copies is the same.
 */
export function sealCopy(
  { parityShards, compression }: ChunkPolicy,
  place: ChunkPlace,
  chunkId: Uint8Array,
  plaintext: Uint8Array,
): Shard {
  const stored = (compression === 'zstd' ? compress(plaintext) : undefined) ?? plaintext;
  const bodyBytes = stored.length + sealTagBytes;
  const value = Buffer.allocUnsafeSlow(valueBytesOf(bodyBytes, 1));
  encryptChunk(place, plaintext.length, stored, [value.subarray(shardHeaderBytes)]);
  return makeShard({ chunkId, dataShards: 1, parityShards, bodyBytes }, 0, value);
}
