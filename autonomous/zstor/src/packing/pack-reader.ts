import { isGridError } from '@commongrid/base';
import type { ZstorErrorCode } from '../errors.ts';
import type { ChunkRecord } from '../blob/chunk-record.ts';
import { ShardFetch } from '../blob/shard-fetch.ts';
import type { Backends } from '../blob/shard-spread.ts';
import { shardHeaderBytes } from '../chunk/shard.ts';
import type { CodingThreads, ShardAnswer } from '../threads/coding-threads.ts';

/** Small objects that are read at a time. */
const readsMax = 16;

/** The ciphertext and tag of a small object. */
export interface SmallBody {
  readonly chunkId: Uint8Array;
  readonly body: Uint8Array;
}

interface ReadParts {
  readonly backends: Backends;
  readonly threads: CodingThreads;
}

/**
 * Reads small objects out of their copies.
 * @returns those that cannot be read just now, too
 * @throws BASE_ABORTED
 */
export async function readBodies(
  parts: ReadParts,
  records: readonly ChunkRecord[],
  signal: AbortSignal | undefined,
): Promise<{ bodies: SmallBody[]; unread: ChunkRecord[] }> {
  const read: { record: ChunkRecord; body: Buffer | undefined }[] = [];
  const left = records.values();
  const work = async (): Promise<void> => {
    for (const record of left) {
      const entry: (typeof read)[number] = { record, body: undefined };
      read.push(entry);
      entry.body = await readBody(parts, record, signal);
    }
  };
  await Promise.all(Array.from({ length: readsMax }, work));
  return {
    bodies: read.flatMap(({ record, body }) => {
      return body === undefined ? [] : { chunkId: record.id, body };
    }),
    unread: read.flatMap(({ record, body }) => (body === undefined ? record : [])),
  };
}

/**
 * The body of a chunk, as it was coded: each shard of it is the one that was written. Undefined when too
 * few shards can be read. @throws BASE_ABORTED
 */
export async function readBody(
  { backends, threads }: ReadParts,
  record: ChunkRecord,
  signal: AbortSignal = new AbortController().signal,
): Promise<Buffer | undefined> {
  const fetch = new ShardFetch({ backends, record, signal });
  try {
    let answers = await fetch.enough();
    while (fetch.dropWrong()) answers = await fetch.enough();
    const values = await dataValues(threads, record, answers);
    return Buffer.concat(values.map((value) => value.subarray(shardHeaderBytes))).subarray(
      0,
      record.bodyBytes,
    );
  } catch (error) {
    if (isGridError<ZstorErrorCode>(error, 'ZSTOR_SHARDS_TOO_FEW')) return undefined;
    throw error;
  } finally {
    await fetch.close();
  }
}

async function dataValues(
  threads: CodingThreads,
  { kind, dataShards }: ChunkRecord,
  answers: readonly ShardAnswer[],
): Promise<Uint8Array[]> {
  if (kind === 'copied') return answers.slice(0, 1).map(({ value }) => value);
  const known = new Map(answers.map(({ address, value }) => [address.index, value]));
  const indexes = Array.from({ length: dataShards }, (_, index) => index);
  const lost = indexes.filter((index) => !known.has(index));
  if (lost.length > 0) {
    const made = await threads.repair(answers, lost);
    for (const [at, index] of lost.entries()) known.set(index, made.values[at] ?? Buffer.alloc(0));
  }
  return indexes.flatMap((index) => known.get(index) ?? []);
}
