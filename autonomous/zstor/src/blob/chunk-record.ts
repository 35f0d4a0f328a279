import { valueBytesOf } from '../chunk/shard.ts';

/** No backend has this shard: its number is never given to one. */
export const nowhere = 0;

/**
 * What the metadata knows of a chunk. `coded`: k + m shards, one at each location. `copied`: a small
 * object, the same value at each location, until it is packed with others.
 */
export interface ChunkRecord {
  /** 16 bytes, never used for another. */
  readonly id: Uint8Array;
  readonly kind: 'coded' | 'copied';
  /** k; 1 when copied. */
  readonly dataShards: number;
  /** m; one less than the copies when copied. */
  readonly parityShards: number;
  /** What was coded: ciphertext and tag. */
  readonly bodyBytes: number;
  /** Number of the backend of each shard, by index; 0 where there is none. */
  readonly locations: readonly number[];
  /** SHA-256 out of the header of each shard, by index; of a copy, one. */
  readonly digests: readonly Uint8Array[];
  /** Where a small object was asked for that is packed: all else is about its pack. */
  readonly slice?: Slice;
}

/** A packed object in the body of its pack. */
export interface Slice {
  readonly offset: number;
  /** What `bodyBytes` was of its own chunk. */
  readonly bytes: number;
}

/**
 * Who remembers where chunks are. Records become known in the same transaction as what refers to them,
 * so whoever writes blobs registers them by itself: this is what else is done with them.
 */
export interface Locations {
  /** Where a chunk is read from: for a small object that is packed, its pack. */
  find(chunkId: Uint8Array): ChunkRecord | undefined;
  /**
   * Changes the locations of a chunk, if they are what they were.
   * @returns false when the chunk is gone or dead, when somebody else changed them, and when a shard
   *   would be where one of the same index was given up: see `Orphans`
   */
  compareAndSet(
    chunkId: Uint8Array,
    expected: readonly number[],
    next: readonly number[],
  ): Promise<boolean>;
}

/** Length of each value on a backend. */
export function valueBytesOfRecord({ bodyBytes, dataShards }: ChunkRecord): number {
  return valueBytesOf(bodyBytes, dataShards);
}
