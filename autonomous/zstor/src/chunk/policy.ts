import { formatBytes, GridError } from '@commongrid/base';
import { assertCode } from '../code/erasure-code.ts';
import type { ZstorErrorCode } from '../errors.ts';
import { sealTagBytes } from './chunk-cipher.ts';
import { valueBytesOf } from './shard.ts';

/** How a bucket's data becomes shards. Chunks say themselves how they were made: it may change. */
export interface ChunkPolicy {
  /** k: any so many shards give a chunk back. */
  readonly dataShards: number;
  /** m: so many shards may be lost. */
  readonly parityShards: number;
  /** Plaintext of a chunk; the last one of a blob has less. */
  readonly chunkSizeBytes: ChunkSizeBytes;
  /** `zstd` tries a part of each chunk first, and keeps what does not shrink as it is. */
  readonly compression: Compression;
}

export type Compression = 'zstd' | 'none';

/** Small chunks begin to flow sooner, large ones take less metadata. */
export const chunkSizesBytes = [4 * 2 ** 20, 16 * 2 ** 20, 64 * 2 ** 20] as const;
export type ChunkSizeBytes = (typeof chunkSizesBytes)[number];

/** Largest value of a Zero-DB: a shard with its header is one value. */
export const shardValueBytesMax = 8 * 2 ** 20;

/**
 * A policy out of parts that nobody has checked.
 * @throws ZSTOR_POLICY_INVALID
 */
export function checkPolicy(given: {
  readonly dataShards: number;
  readonly parityShards: number;
  readonly chunkSizeBytes: number;
  readonly compression: string;
}): ChunkPolicy {
  const { dataShards, parityShards, compression } = given;
  assertCode(dataShards, parityShards);
  const chunkSizeBytes = chunkSizesBytes.find((size) => size === given.chunkSizeBytes);
  if (chunkSizeBytes === undefined) {
    const sizes = chunkSizesBytes.map(formatBytes).join(', ');
    throw invalid(`chunks cannot have ${given.chunkSizeBytes} bytes`, `choose one of ${sizes}`);
  }
  if (compression !== 'zstd' && compression !== 'none') {
    throw invalid(`there is no compression ${compression}`, 'choose zstd or none');
  }
  const valueBytes = valueBytesOf(chunkSizeBytes + sealTagBytes, dataShards);
  if (valueBytes > shardValueBytesMax) {
    throw invalid(
      `a shard would have ${valueBytes} bytes, Zero-DB takes ${shardValueBytesMax}`,
      'choose smaller chunks or more data shards',
    );
  }
  return { dataShards, parityShards, chunkSizeBytes, compression };
}

function invalid(message: string, hint: string): GridError<ZstorErrorCode> {
  return new GridError('ZSTOR_POLICY_INVALID', message, { hint });
}
