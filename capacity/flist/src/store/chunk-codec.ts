import { hash as hashOf, webcrypto } from 'node:crypto';
import { promisify } from 'node:util';
import { constants, zstdCompress, zstdCompressSync } from 'node:zlib';
import type { ZstdOptions } from 'node:zlib';

import { GridError } from '@commongrid/base';

import type { FlistErrorCode } from '../errors.ts';
import type { ChunkHash, PackedChunk } from '../ports.ts';
import { chunkBytes } from '../tree/inode.ts';
import { unpackFrame } from './unpack-frame.ts';
import { mergeCode } from './merge-code.ts';
import { splitCode } from './split-code.ts';
import { isSplit, splitMagic } from './split-form.ts';
import { UnpackWorkers } from './unpack-workers.ts';

/** Most bytes of a packed chunk: zstd adds less than 3 KiB to bytes that it cannot pack. */
export const packedChunkBytesMax = chunkBytes + 4096;

/** Level 3: a higher one costs much more time than it saves bytes. */
const compressionLevel = 3;

/** A seventh fewer bytes of programs, for 40 times as much time: only where nobody waits. */
const tightLevel = 19;

/** Of the size as a whole; a chunk that gains less in the split form is quicker without it. */
const splitShareMax = 0.99;

/** Up to here the way to the thread pool and back costs more than the work. */
const inlineBytesMax = 128 * 1024;

/** The same for packing, which is slower. */
const inlinePackBytesMax = 16 * 1024;

const compress = promisify(zstdCompress);

/** SHA-256 of bytes; of many, computed on Node's thread pool. */
export async function hashOfChunk(plaintext: Uint8Array): Promise<ChunkHash> {
  if (plaintext.length <= inlineBytesMax) return hashOf('sha256', plaintext, 'hex') as ChunkHash;
  const digest = await webcrypto.subtle.digest('SHA-256', viewOf(plaintext));
  return Buffer.from(digest).toString('hex') as ChunkHash;
}

/** One zstd frame that says how long its plaintext is; a large one is packed on the thread pool. */
export async function packChunk(plaintext: Uint8Array): Promise<Buffer> {
  const options = packOptions(plaintext, { [constants.ZSTD_c_compressionLevel]: compressionLevel });
  return plaintext.length <= inlinePackBytesMax
    ? zstdCompressSync(plaintext, options)
    : compress(plaintext, options);
}

/**
 * The same with as few bytes as can be, on the thread pool: programs in the split form, which is
 * no zstd frame, where that is worth the time to merge them. Its checksum is the sign of that.
 */
export async function packChunkTight(plaintext: Uint8Array): Promise<Buffer> {
  const whole = await compressTight(plaintext);
  const split = splitCode(plaintext);
  if (split === undefined) return whole;
  const packed = Buffer.concat([splitMagic, await compressTight(split)]);
  if (packed.length >= whole.length * splitShareMax) return whole;
  // It takes the place of what is known to be sound.
  const merged = mergeCode(split, plaintext.length);
  return merged !== undefined && merged.equals(plaintext) ? packed : whole;
}

function compressTight(bytes: Uint8Array): Promise<Buffer> {
  return compress(
    bytes,
    packOptions(bytes, {
      [constants.ZSTD_c_compressionLevel]: tightLevel,
      [constants.ZSTD_c_checksumFlag]: 1,
    }),
  );
}

/**
 * A chunk for who knows zstd frames only.
 * @throws FLIST_CHUNK_CORRUPT
 */
export async function frameOfChunk({ hash, packed }: PackedChunk): Promise<PackedChunk> {
  return isSplit(packed)
    ? { hash, packed: await packChunk(await unpackChunk(hash, packed)) }
    : { hash, packed };
}

/** Bytes of a packed chunk that tell how it was packed. */
export const packedHeadBytes = 5;

/** Whether a chunk with this head was packed by `packChunkTight`, or by somebody who says so. */
export function isTightHead(head: Uint8Array): boolean {
  const checksumBit = 0x04;
  return isSplit(head) || ((head[packedHeadBytes - 1] ?? 0) & checksumBit) !== 0;
}

function packOptions(plaintext: Uint8Array, params: Record<number, number>): ZstdOptions {
  return {
    params,
    pledgedSrcSize: plaintext.length,
    // In one step, without more memory than the frame can need.
    chunkSize: plaintext.length + (plaintext.length >> 7) + 256,
  };
}

/**
 * The plaintext of a chunk, checked against its hash; a large one in a thread of its own. It never
 * unpacks more than `sizeBytes`.
 * @param sizeBytes of the plaintext, or the most it may have where `isExact` is false
 * @throws FLIST_CHUNK_CORRUPT
 */
export async function unpackChunk(
  hash: ChunkHash,
  packed: Uint8Array,
  sizeBytes: number = chunkBytes,
  isExact = false,
): Promise<Buffer> {
  if (packed.length > packedChunkBytesMax) throw corrupt(hash, 'is too long as it came');
  const want = { hash, sizeBytes, isExact };
  const isShort = sizeBytes <= inlineBytesMax;
  const outcome = isShort ? unpackFrame(want, packed) : await workers.unpack(want, packed);
  if (typeof outcome === 'string') throw corrupt(hash, outcome);
  return outcome;
}

const workers = new UnpackWorkers();

function viewOf(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const { buffer } = bytes;
  if (buffer instanceof ArrayBuffer) {
    return new Uint8Array(buffer, bytes.byteOffset, bytes.byteLength);
  }
  return Uint8Array.from(bytes);
}

function corrupt(hash: ChunkHash, what: string): GridError<FlistErrorCode> {
  return new GridError('FLIST_CHUNK_CORRUPT', `chunk ${hash} ${what}`, {
    hint: 'fetch it from another source',
    details: { hash },
  });
}
