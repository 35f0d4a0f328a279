import { GridError } from '@commongrid/base';
import { ErasureCode } from '../code/erasure-code.ts';
import type { ZstorErrorCode } from '../errors.ts';
import type { ChunkPlace } from './blob.ts';
import { decryptChunk, encryptChunk, sealTagBytes } from './chunk-cipher.ts';
import { compress, decompress } from './compression.ts';
import type { ChunkPolicy } from './policy.ts';
import { foreign, makeShard, payloadBytesOf } from './shard.ts';
import type { ChunkShape, Shard } from './shard.ts';

/** Codes that are kept ready, each with its tables: 0.5 MiB at most. */
const codesMax = 16;

/**
 * The way of a chunk: compress, encrypt, code, hash, and back. Pure: it waits for nothing, and what
 * goes out depends on what comes in alone.
 */

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
): Shard[] {
  const { dataShards, parityShards, chunkSizeBytes, compression } = policy;
  if (plaintext.length > chunkSizeBytes) throw tooLarge(plaintext.length, chunkSizeBytes);
  const stored = (compression === 'zstd' ? compress(plaintext) : undefined) ?? plaintext;
  const bodyBytes = stored.length + sealTagBytes;
  const payloadBytes = payloadBytesOf(bodyBytes, dataShards);
  const data = encryptChunk(place, plaintext.length, stored, payloadBytes, dataShards);
  const parity = codeOf(dataShards, parityShards).encode(data);
  const shape = { chunkId, dataShards, parityShards, bodyBytes };
  return [...data, ...parity].map((payload, index) => makeShard(shape, index, payload));
}

/**
 * The plaintext of a chunk, in pieces, out of any k of its shards. Nothing is computed while the data
 * shards are there. Compressed is what is stored shorter than it is: both lengths are authenticated.
 *
 * @param shards that `parseShardOf` gave, at least k different ones
 * @throws ZSTOR_SHARDS_TOO_FEW, ZSTOR_SHARD_FOREIGN when they are not of one chunk,
 *   ZSTOR_CHUNK_CORRUPT when the key, the place or the length is another, or a backend made a shard up
 */
export function openChunk(
  place: ChunkPlace,
  plaintextBytes: number,
  shards: readonly Shard[],
): readonly Uint8Array[] {
  const { shape, payloads } = gather(shards);
  const data = dataPayloads(shape, payloads);
  const storedBytes = shape.bodyBytes - sealTagBytes;
  try {
    if (storedBytes < 0 || storedBytes > plaintextBytes) throw new RangeError('no such length');
    const pieces = decryptChunk(place, plaintextBytes, data, storedBytes);
    if (storedBytes === plaintextBytes) return pieces;
    return [decompress(Buffer.concat(pieces), plaintextBytes)];
  } catch (cause) {
    throw corrupt(place, shape, cause);
  }
}

/**
 * Makes lost shards again, with the headers that they had.
 * @param lost indexes that are not among the shards
 * @throws ZSTOR_SHARDS_TOO_FEW, ZSTOR_SHARD_FOREIGN
 */
export function repairShards(shards: readonly Shard[], lost: readonly number[]): Shard[] {
  const { shape, payloads } = gather(shards);
  const code = codeOf(shape.dataShards, shape.parityShards);
  const made = code.reconstruct(payloads, lost);
  return lost.flatMap((index, at) => {
    const payload = made[at];
    return payload === undefined ? [] : [makeShard(shape, index, payload)];
  });
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

function dataPayloads(
  { dataShards, parityShards }: ChunkShape,
  payloads: readonly (Uint8Array | undefined)[],
): Uint8Array[] {
  const indexes = Array.from({ length: dataShards }, (_, index) => index);
  const lost = indexes.filter((index) => payloads[index] === undefined);
  const made =
    lost.length === 0 ? [] : codeOf(dataShards, parityShards).reconstruct(payloads, lost);
  return indexes.flatMap((index) => payloads[index] ?? made[lost.indexOf(index)] ?? []);
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
  { chunkId }: ChunkShape,
  cause: unknown,
): GridError<ZstorErrorCode> {
  const id = Buffer.from(chunkId).toString('hex');
  return new GridError('ZSTOR_CHUNK_CORRUPT', `chunk ${id} is not number ${index} of this blob`, {
    hint: 'compare key, place and length with the metadata; read other shards',
    details: { chunkId: id, index },
    cause,
  });
}
