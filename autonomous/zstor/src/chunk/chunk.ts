import { GridError } from '@commongrid/base';
import { ErasureCode } from '../code/erasure-code.ts';
import type { ZstorErrorCode } from '../errors.ts';
import type { ChunkPlace } from './blob.ts';
import { freeBuffer, sharedPool } from './buffer-pool.ts';
import { decryptChunk, encryptChunk, sealTagBytes } from './chunk-cipher.ts';
import { compress, decompress } from './compression.ts';
import type { ChunkPolicy } from './policy.ts';
import { foreign, makeShard, shardHeaderBytes, valueBytesOf } from './shard.ts';
import type { ChunkShape, Shard } from './shard.ts';

/** Codes that are kept ready, each with its tables: 0.5 MiB at most. */
const codesMax = 16;

/**
 * The way of a chunk: compress, encrypt, code, hash, and back. It waits for nothing, and what goes out
 * depends on what comes in alone. What it returns lies in a buffer of the thread's pool, to which it
 * can be given back after use.
 */

/** Shards in the order of their index, one value after the other in `memory`. */
export interface SealedChunk {
  readonly shards: readonly Shard[];
  readonly memory: Buffer<ArrayBuffer>;
}

/**
 * Makes the k + m shards of a chunk.
 * @param chunkId 16 bytes, never used before
 * @throws ZSTOR_CHUNK_TOO_LARGE when there is more plaintext than the policy says
 */
export function sealChunk(
  policy: ChunkPolicy,
  place: ChunkPlace,
  chunkId: Uint8Array,
  plaintext: Uint8Array,
): SealedChunk {
  const { dataShards, parityShards, chunkSizeBytes, compression } = policy;
  if (plaintext.length > chunkSizeBytes) throw tooLarge(plaintext.length, chunkSizeBytes);
  const stored = (compression === 'zstd' ? compress(plaintext) : undefined) ?? plaintext;
  const shape = { chunkId, dataShards, parityShards, bodyBytes: stored.length + sealTagBytes };
  const memory = takeSealMemory(policy, plaintext.length);
  const { values, payloads } = cutValues(shape, dataShards + parityShards, memory);
  const data = payloads.slice(0, dataShards);
  encryptChunk(place, plaintext.length, stored, data);
  codeOf(dataShards, parityShards).encode(data, payloads.slice(dataShards));
  return { shards: values.map((value, index) => makeShard(shape, index, value)), memory };
}

/**
 * Makes the k + m shards of a body as it is: what is in it was encrypted before.
 * @param chunkId 16 bytes, never used before
 */
export function codeBody(
  { dataShards, parityShards }: Pick<ChunkPolicy, 'dataShards' | 'parityShards'>,
  chunkId: Uint8Array,
  body: Uint8Array,
): SealedChunk {
  const shape = { chunkId, dataShards, parityShards, bodyBytes: body.length };
  const memory = takeMemory(shape, dataShards + parityShards);
  const { values, payloads } = cutValues(shape, dataShards + parityShards, memory);
  const data = payloads.slice(0, dataShards);
  for (const [at, payload] of data.entries()) {
    const part = body.subarray(at * payload.length, (at + 1) * payload.length);
    payload.set(part);
    payload.fill(0, part.length);
  }
  codeOf(dataShards, parityShards).encode(data, payloads.slice(dataShards));
  return { shards: values.map((value, index) => makeShard(shape, index, value)), memory };
}

/**
 * The plaintext of a chunk, out of any k of its shards. Nothing is computed while the data shards are
 * there. Compressed is what is stored shorter than it is: both lengths are authenticated.
 *
 * @param shards that `parseShardOf` gave, at least k different ones
 * @throws ZSTOR_SHARDS_TOO_FEW, ZSTOR_SHARD_FOREIGN when they are not of one chunk,
 *   ZSTOR_CHUNK_CORRUPT when the key, the place or the length is another, or a backend made a shard up
 */
export function openChunk(
  place: ChunkPlace,
  plaintextBytes: number,
  shards: readonly Shard[],
): Buffer<ArrayBuffer> {
  const { shape, payloads } = gather(shards);
  const { data, memory } = dataPayloads(shape, payloads);
  try {
    return openBody(place, plaintextBytes, shape, data);
  } finally {
    if (memory !== undefined) sharedPool().give(memory);
  }
}

/**
 * The plaintext of a body, which lies in parts one behind the other: the payloads of data shards, or
 * the part of a pack that a small object is. Throws ZSTOR_CHUNK_CORRUPT as `openChunk`.
 */
export function openBody(
  place: ChunkPlace,
  plaintextBytes: number,
  { chunkId, bodyBytes }: Pick<ChunkShape, 'chunkId' | 'bodyBytes'>,
  parts: readonly Uint8Array[],
): Buffer<ArrayBuffer> {
  const storedBytes = bodyBytes - sealTagBytes;
  const stored = sharedPool().take(Math.max(0, storedBytes));
  try {
    if (storedBytes < 0 || storedBytes > plaintextBytes) throw new RangeError('no such length');
    decryptChunk(place, plaintextBytes, parts, stored);
    return storedBytes === plaintextBytes ? stored : unpack(stored, plaintextBytes);
  } catch (cause) {
    sharedPool().give(stored);
    throw corrupt(place, chunkId, cause);
  }
}

/**
 * Makes lost shards again, with the headers that they had.
 * @param lost indexes that are not among the shards
 * @returns in the order of `lost`
 * @throws ZSTOR_SHARDS_TOO_FEW, ZSTOR_SHARD_FOREIGN
 */
export function repairShards(shards: readonly Shard[], lost: readonly number[]): SealedChunk {
  const { shape, payloads } = gather(shards);
  const memory = takeMemory(shape, lost.length);
  const made = cutValues(shape, lost.length, memory);
  codeOf(shape.dataShards, shape.parityShards).reconstruct(payloads, lost, made.payloads);
  return { shards: made.values.map((value, at) => makeShard(shape, lost[at] ?? 0, value)), memory };
}

/**
 * A buffer of the pool for the shards of a chunk: the same, however much the chunk shrinks.
 */
export function takeSealMemory(policy: ChunkPolicy, plaintextBytes: number): Buffer<ArrayBuffer> {
  const { dataShards, parityShards } = policy;
  const valueBytes = valueBytesOf(plaintextBytes + sealTagBytes, dataShards);
  return sharedPool().take((dataShards + parityShards) * valueBytes);
}

/** The first `count` shards of what `sealChunk` made in this memory. */
export function shardsIn(
  shape: ChunkShape,
  count: number,
  memory: Buffer<ArrayBuffer>,
): SealedChunk {
  const { values, payloads } = cutValues(shape, count, memory);
  const shards = values.map((value, index) => {
    return { ...shape, index, value, payload: payloads[index] ?? value };
  });
  return { shards, memory };
}

/** Room for shards, the header and payload of each side by side. */
function cutValues(
  { dataShards, bodyBytes }: ChunkShape,
  count: number,
  memory: Uint8Array,
): { values: Uint8Array[]; payloads: Uint8Array[] } {
  const valueBytes = valueBytesOf(bodyBytes, dataShards);
  const values = Array.from({ length: count }, (_, at) =>
    memory.subarray(at * valueBytes, (at + 1) * valueBytes),
  );
  return { values, payloads: values.map((value) => value.subarray(shardHeaderBytes)) };
}

function takeMemory({ dataShards, bodyBytes }: ChunkShape, count: number): Buffer<ArrayBuffer> {
  return sharedPool().take(count * valueBytesOf(bodyBytes, dataShards));
}

/** Leaves `stored` to the caller when it fails. */
function unpack(stored: Buffer<ArrayBuffer>, plaintextBytes: number): Buffer<ArrayBuffer> {
  const frame = decompress(stored, plaintextBytes);
  const plaintext = sharedPool().take(plaintextBytes);
  plaintext.set(frame);
  freeBuffer(frame);
  sharedPool().give(stored);
  return plaintext;
}

/** Payloads by index, of shards that agree on what chunk they are of. */
function gather(shards: readonly Shard[]): {
  shape: ChunkShape;
  payloads: (Uint8Array | undefined)[];
} {
  const [shape] = shards;
  if (shape === undefined) {
    throw new GridError<ZstorErrorCode>('ZSTOR_SHARDS_TOO_FEW', 'no shard is there', {
      retryable: true,
    });
  }
  const payloads: (Uint8Array | undefined)[] = [];
  for (const shard of shards) {
    if (!isSameChunk(shape, shard)) {
      throw foreign(`shards ${shape.index} and ${shard.index} are not of one chunk`, {
        chunkIds: [shape, shard].map(({ chunkId }) => Buffer.from(chunkId).toString('hex')),
        indexes: [shape.index, shard.index],
      });
    }
    payloads[shard.index] = shard.payload;
  }
  return { shape, payloads };
}

function isSameChunk(a: ChunkShape, b: ChunkShape): boolean {
  return (
    Buffer.compare(a.chunkId, b.chunkId) === 0 &&
    a.dataShards === b.dataShards &&
    a.parityShards === b.parityShards &&
    a.bodyBytes === b.bodyBytes
  );
}

/** The payloads of all data shards. Those that are lost are made in `memory`. */
function dataPayloads(
  shape: ChunkShape,
  payloads: readonly (Uint8Array | undefined)[],
): { data: Uint8Array[]; memory?: Buffer<ArrayBuffer> } {
  const indexes = Array.from({ length: shape.dataShards }, (_, index) => index);
  const lost = indexes.filter((index) => payloads[index] === undefined);
  if (lost.length === 0) return { data: indexes.flatMap((index) => payloads[index] ?? []) };
  const memory = takeMemory(shape, lost.length);
  const made = cutValues(shape, lost.length, memory);
  codeOf(shape.dataShards, shape.parityShards).reconstruct(payloads, lost, made.payloads);
  const data = indexes.flatMap(
    (index) => payloads[index] ?? made.payloads[lost.indexOf(index)] ?? [],
  );
  return { data, memory };
}

const codes = new Map<string, ErasureCode>();

function codeOf(dataShards: number, parityShards: number): ErasureCode {
  const name = `${dataShards}+${parityShards}`;
  const known = codes.get(name);
  if (known !== undefined) return known;
  const code = new ErasureCode(dataShards, parityShards);
  const [oldest] = codes.keys();
  if (oldest !== undefined && codes.size === codesMax) codes.delete(oldest);
  codes.set(name, code);
  return code;
}

function tooLarge(plaintextBytes: number, chunkSizeBytes: number): GridError<ZstorErrorCode> {
  return new GridError(
    'ZSTOR_CHUNK_TOO_LARGE',
    `${plaintextBytes} bytes do not fit into a chunk of ${chunkSizeBytes}`,
    { details: { plaintextBytes, chunkSizeBytes } },
  );
}

function corrupt(
  { index }: ChunkPlace,
  chunkId: Uint8Array,
  cause: unknown,
): GridError<ZstorErrorCode> {
  const id = Buffer.from(chunkId).toString('hex');
  return new GridError('ZSTOR_CHUNK_CORRUPT', `chunk ${id} is not number ${index} of this blob`, {
    hint: 'compare key, place and length with the metadata; read other shards',
    details: { chunkId: id, index },
    cause,
  });
}
