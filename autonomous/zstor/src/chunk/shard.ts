import { createHash, timingSafeEqual } from 'node:crypto';
import { GridError } from '@commongrid/base';
import { shardsMax } from '../code/erasure-code.ts';
import type { ZstorErrorCode } from '../errors.ts';

/**
 * A shard as a backend keeps it: a header that says what it is, and its payload. Each can be checked
 * alone, by whoever holds it. The format is in docs/formats/zstor-shard.md.
 */

export const shardHeaderBytes = 64;
/** Payloads are a multiple of it: a line of the cache, which the kernel takes at once. */
const payloadStepBytes = 64;
/** Longest body of a chunk: 64 MiB of plaintext that did not shrink, and the tag. */
const bodyBytesMax = 64 * 2 ** 20 + 16;

const magic = Buffer.from('ZSHD');
const format = 1;
/** Where the hash begins: behind all that it covers of the header. */
const hashOffset = 32;

/** The stretch of a value that its hash leaves out: the hash itself. */
export const hashStretch = { from: hashOffset, to: shardHeaderBytes } as const;

/** What is true of all shards of a chunk. */
export interface ChunkShape {
  /** 16 bytes, never used again. */
  readonly chunkId: Uint8Array;
  readonly dataShards: number;
  readonly parityShards: number;
  /** What was coded, without the padding. */
  readonly bodyBytes: number;
}

export interface Shard extends ChunkShape {
  /** 0 to k - 1 are data, k to k + m - 1 parity. */
  readonly index: number;
  /** What a backend stores: 64 bytes of header, and the payload. */
  readonly value: Uint8Array;
  /** The part of `value` behind its header. */
  readonly payload: Uint8Array;
}

/** Length of a shard's payload: the body in k equal parts, rounded up to 64 bytes. */
export function payloadBytesOf(bodyBytes: number, dataShards: number): number {
  return Math.ceil(bodyBytes / dataShards / payloadStepBytes) * payloadStepBytes;
}

/** Length of what a backend stores. */
export function valueBytesOf(bodyBytes: number, dataShards: number): number {
  return shardHeaderBytes + payloadBytesOf(bodyBytes, dataShards);
}

/**
 * Makes a shard of a value whose payload is there already: writes the header, which takes one pass
 * over the payload for the hash.
 */
export function makeShard(shape: ChunkShape, index: number, value: Uint8Array): Shard {
  const { chunkId, dataShards, parityShards, bodyBytes } = shape;
  const payload = value.subarray(shardHeaderBytes);
  const header = Buffer.from(value.buffer, value.byteOffset, shardHeaderBytes);
  header.set(magic);
  header.set([format, dataShards, parityShards, index], 4);
  header.set(chunkId, 8);
  header.writeUInt32LE(bodyBytes, 24);
  header.writeUInt32LE(payload.length, 28);
  header.set(hashOf(value), hashOffset);
  return { chunkId, dataShards, parityShards, bodyBytes, index, value, payload };
}

/**
 * Reads what a backend gave, and checks all of it. The payload is not copied.
 * @throws ZSTOR_SHARD_UNKNOWN, ZSTOR_SHARD_CORRUPT
 */
export function parseShard(bytes: Uint8Array): Shard {
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.length < shardHeaderBytes || !magic.equals(view.subarray(0, magic.length))) {
    throw unknown('the bytes are no shard', { lengthBytes: view.length });
  }
  const foundFormat = view.readUInt8(4);
  if (foundFormat !== format) {
    throw unknown(`format ${foundFormat} of shards is not known`, { format: foundFormat });
  }
  const shard = {
    dataShards: view.readUInt8(5),
    parityShards: view.readUInt8(6),
    index: view.readUInt8(7),
    chunkId: view.subarray(8, 24),
    bodyBytes: view.readUInt32LE(24),
    value: bytes,
    payload: bytes.subarray(shardHeaderBytes),
  };
  const fault = faultOf(shard, view.readUInt32LE(28));
  if (fault === undefined) return shard;
  const { index } = shard;
  const chunkId = shard.chunkId.toString('hex');
  throw new GridError<ZstorErrorCode>('ZSTOR_SHARD_CORRUPT', `shard ${index}: ${fault}`, {
    hint: 'repair it from the other shards of the chunk',
    details: { chunkId, index },
  });
}

/** What one asks a backend for. */
export interface ShardAddress {
  readonly chunkId: Uint8Array;
  readonly index: number;
  /** SHA-256 in its header, where the metadata has it: then nobody can make up another shard. */
  readonly digest?: Uint8Array;
}

/** The hash in a shard's header, over the rest of the header and the payload. */
export function digestOf({ value }: Pick<Shard, 'value'>): Uint8Array {
  return value.subarray(hashOffset, shardHeaderBytes);
}

/**
 * A shard that was asked for. A backend that answers with another one, whole as it may be, is as good
 * as none.
 * @throws ZSTOR_SHARD_FOREIGN, and as `parseShard`
 */
export function parseShardOf(bytes: Uint8Array, address: ShardAddress): Shard {
  const shard = parseShard(bytes);
  const asked = `${Buffer.from(address.chunkId).toString('hex')}/${address.index}`;
  const found = `${Buffer.from(shard.chunkId).toString('hex')}/${shard.index}`;
  const { index } = address;
  if (found !== asked) {
    throw foreign(`asked for shard ${asked}, got ${found}`, { index, asked, found });
  }
  const { digest = digestOf(shard) } = address;
  if (Buffer.compare(digest, digestOf(shard)) === 0) return shard;
  throw foreign(`shard ${asked} is not the one that was written`, { index, asked });
}

export function foreign(
  message: string,
  details: Readonly<Record<string, unknown>>,
): GridError<ZstorErrorCode> {
  return new GridError('ZSTOR_SHARD_FOREIGN', message, {
    hint: 'look at the backend that gave it, and repair the shard',
    details,
  });
}

/** Lengths come before the hash, so that a false length costs nothing. */
function faultOf(shard: Shard, payloadBytes: number): string | undefined {
  const { dataShards, parityShards, index, bodyBytes, value, payload } = shard;
  const shardCount = dataShards + parityShards;
  if (dataShards < 1 || parityShards < 1 || shardCount > shardsMax || index >= shardCount) {
    return `there is no index ${index} in ${dataShards}+${parityShards}`;
  }
  if (bodyBytes < 1 || bodyBytes > bodyBytesMax) return `no chunk has ${bodyBytes} bytes`;
  if (payloadBytes !== payloadBytesOf(bodyBytes, dataShards)) {
    return `${bodyBytes} bytes in ${dataShards} parts do not give payloads of ${payloadBytes}`;
  }
  if (payload.length !== payloadBytes) {
    return `the payload has ${payload.length} bytes, not ${payloadBytes}`;
  }
  const isWhole = timingSafeEqual(hashOf(value), digestOf(shard));
  return isWhole ? undefined : 'the hash is wrong';
}

function hashOf(value: Uint8Array): Buffer {
  const hash = createHash('sha256').update(value.subarray(0, hashOffset));
  return hash.update(value.subarray(shardHeaderBytes)).digest();
}

function unknown(
  message: string,
  details: Readonly<Record<string, unknown>>,
): GridError<ZstorErrorCode> {
  return new GridError('ZSTOR_SHARD_UNKNOWN', message, {
    hint: 'check that the namespace is one of Zero-Stor, and its version',
    details,
  });
}
