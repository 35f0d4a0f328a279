import { GridError, isGridError } from '@commongrid/base';
import { shardKey } from '../backends/backend.ts';
import type { ChunkPlace } from '../chunk/blob.ts';
import { sharedPool } from '../chunk/buffer-pool.ts';
import { openBody } from '../chunk/chunk.ts';
import { payloadBytesOf, shardHeaderBytes } from '../chunk/shard.ts';
import type { ZstorErrorCode } from '../errors.ts';
import type { CodingThreads, ShardAnswer } from '../threads/coding-threads.ts';
import { nowhere } from './chunk-record.ts';
import type { ChunkRecord, Slice } from './chunk-record.ts';
import type { ShardFetch } from './shard-fetch.ts';
import type { Backends } from './shard-spread.ts';

/** Parts of shards that have not come after this are not waited for: k shards are asked for instead. */
const partsWaitMs = 200;
const empty = new Uint8Array();

/** A part of a slice, within the payload of a data shard. */
interface Part {
  readonly index: number;
  readonly from: number;
  readonly to: number;
}

/** Indexes of the data shards in which a packed object lies. */
export function shardsOfSlice(record: ChunkRecord): number[] {
  return partsOf(record).map(({ index }) => index);
}

/**
 * Reads just the parts of shards that are a packed object, while their backends are well. What comes is
 * believed when it decrypts.
 * @returns the plaintext; undefined when it has to be read in another way: see `openSlice`
 * @throws BASE_ABORTED
 */
export async function openParts(
  backends: Backends,
  record: ChunkRecord,
  place: ChunkPlace,
  plaintextBytes: number,
  signal: AbortSignal,
): Promise<Buffer<ArrayBuffer> | undefined> {
  const stop = AbortSignal.any([signal, AbortSignal.timeout(partsWaitMs)]);
  try {
    const answers = partsOf(record).map(async ({ index, from, to }) => {
      const backend = backends.byNo(record.locations[index] ?? nowhere);
      if (backend?.state !== 'healthy') throw notThere(record);
      const part = { from: shardHeaderBytes + from, bytes: to - from };
      const value = await backend.getPart(shardKey(record.id, index), part, stop);
      if (value?.length !== part.bytes) throw notThere(record);
      return value;
    });
    const shape = { chunkId: record.id, bodyBytes: record.slice?.bytes ?? 0 };
    return openBody(place, plaintextBytes, shape, await Promise.all(answers));
  } catch (error) {
    if (signal.aborted || !isGridError(error)) throw error;
    return undefined;
  }
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
        const parts = partsOf(record).map(({ from, to }, at) => {
          return values[at]?.subarray(shardHeaderBytes + from, shardHeaderBytes + to) ?? empty;
        });
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

/** Where the slice lies: in the payloads of one data shard, or of two. */
function partsOf({ bodyBytes, dataShards, slice }: ChunkRecord): Part[] {
  const { offset, bytes } = slice ?? { offset: 0, bytes: 0 };
  const payloadBytes = payloadBytesOf(bodyBytes, dataShards);
  const first = Math.floor(offset / payloadBytes);
  const last = Math.floor((offset + bytes - 1) / payloadBytes);
  return Array.from({ length: Math.max(0, last - first + 1) }, (_, at) => {
    const start = (first + at) * payloadBytes;
    const from = Math.max(0, offset - start);
    const to = Math.min(payloadBytes, offset + bytes - start);
    return { index: first + at, from, to };
  });
}

function notThere({ id }: ChunkRecord): GridError<ZstorErrorCode> {
  const chunkId = Buffer.from(id).toString('hex');
  return new GridError('ZSTOR_SHARDS_TOO_FEW', `a shard of chunk ${chunkId} is not where it was`, {
    details: { chunkId },
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
