import { isGridError } from '@commongrid/base';
import type { ChunkPlace } from '../chunk/blob.ts';
import { sharedPool } from '../chunk/buffer-pool.ts';
import { openBody } from '../chunk/chunk.ts';
import { payloadBytesOf, shardHeaderBytes } from '../chunk/shard.ts';
import type { ZstorErrorCode } from '../errors.ts';
import type { CodingThreads, ShardAnswer } from '../threads/coding-threads.ts';
import type { ChunkRecord, Slice } from './chunk-record.ts';
import type { ShardFetch } from './shard-fetch.ts';

/** Indexes of the data shards in which a part of a body lies. */
export function shardsOfSlice({ bodyBytes, dataShards, slice }: ChunkRecord): number[] {
  if (slice === undefined) return [];
  const payloadBytes = payloadBytesOf(bodyBytes, dataShards);
  const first = Math.floor(slice.offset / payloadBytes);
  const last = Math.floor((slice.offset + slice.bytes - 1) / payloadBytes);
  return Array.from({ length: last - first + 1 }, (_, at) => first + at);
}

/**
 * The plaintext of a packed object, out of the one or two shards in which it lies. What they say is
 * believed when it decrypts: only when it does not, or one is missing, k shards are read and checked.
 * @param fetch of the shards of the pack, those that `shardsOfSlice` names wanted
 * @throws ZSTOR_SHARDS_TOO_FEW, ZSTOR_CHUNK_CORRUPT, BASE_ABORTED
 */
export async function openSlice(
  { fetch, threads }: { readonly fetch: ShardFetch; readonly threads: CodingThreads },
  record: ChunkRecord,
  slice: Slice,
  place: ChunkPlace,
  plaintextBytes: number,
): Promise<Buffer<ArrayBuffer>> {
  const wanted = shardsOfSlice(record);
  for (;;) {
    const answers = await fetch.enough();
    try {
      const { values, memory } = await valuesOf(threads, answers, wanted);
      try {
        const parts = partsOf(record, slice, values);
        const shape = { chunkId: record.id, bodyBytes: slice.bytes };
        return openBody(place, plaintextBytes, shape, parts);
      } finally {
        if (memory !== undefined) sharedPool().give(memory);
      }
    } catch (error) {
      if (!isAboutChunk(error) || !fetch.dropWrong()) throw error;
    }
  }
}

/** The values of the wanted shards; those that are not there are made of the others. */
async function valuesOf(
  threads: CodingThreads,
  answers: readonly ShardAnswer[],
  wanted: readonly number[],
): Promise<{ values: Uint8Array[]; memory?: Buffer<ArrayBuffer> }> {
  const known = new Map(answers.map(({ address, value }) => [address.index, value]));
  const lost = wanted.filter((index) => !known.has(index));
  if (lost.length === 0) return { values: wanted.flatMap((index) => known.get(index) ?? []) };
  const made = await threads.repair(answers, lost);
  for (const [at, index] of lost.entries()) {
    const value = made.values[at];
    if (value !== undefined) known.set(index, value);
  }
  return { values: wanted.flatMap((index) => known.get(index) ?? []), memory: made.memory };
}

/** The slice, cut out of the payloads of the shards in which it lies. */
function partsOf(
  { bodyBytes, dataShards }: ChunkRecord,
  { offset, bytes }: Slice,
  values: readonly Uint8Array[],
): Uint8Array[] {
  const payloadBytes = payloadBytesOf(bodyBytes, dataShards);
  const start = offset % payloadBytes;
  return values.map((value, at) => {
    const from = Math.max(0, start - at * payloadBytes);
    const to = Math.min(payloadBytes, start + bytes - at * payloadBytes);
    return value.subarray(shardHeaderBytes + from, shardHeaderBytes + to);
  });
}

/** Says that some shard is wrong. */
function isAboutChunk(error: unknown): boolean {
  return (
    isGridError<ZstorErrorCode>(error, 'ZSTOR_CHUNK_CORRUPT') ||
    isGridError<ZstorErrorCode>(error, 'ZSTOR_SHARD_CORRUPT') ||
    isGridError<ZstorErrorCode>(error, 'ZSTOR_SHARD_FOREIGN') ||
    isGridError<ZstorErrorCode>(error, 'ZSTOR_SHARD_UNKNOWN')
  );
}
