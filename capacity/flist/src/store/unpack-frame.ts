import { hash as hashOf } from 'node:crypto';
import { constants, zstdDecompressSync } from 'node:zlib';

import { mergeCode } from './merge-code.ts';
import { isSplit, splitExtraBytesMax, splitMagic } from './split-form.ts';

/** Frames that ask for a larger window, 2^21 bytes, are refused: memory is theirs to declare. */
const windowLogMax = 21;

/** What the plaintext of a frame has to be. */
export interface FrameWant {
  /** SHA-256, 64 lowercase hex digits. */
  readonly hash: string;
  /** Or the most that it may have where `isExact` is false. */
  readonly sizeBytes: number;
  readonly isExact: boolean;
}

/**
 * Unpacks and verifies a chunk in this thread. It never unpacks more than `sizeBytes`. Workers load
 * this, so it needs little else.
 * @returns the plaintext in memory of its own, or what is wrong with the chunk
 */
export function unpackFrame(
  { hash, sizeBytes, isExact }: FrameWant,
  packed: Uint8Array,
): Buffer<ArrayBuffer> | string {
  let plaintext: Buffer<ArrayBuffer> | undefined;
  try {
    plaintext = isSplit(packed)
      ? mergeCode(
          unzip(packed.subarray(splitMagic.length), sizeBytes + splitExtraBytesMax),
          sizeBytes,
        )
      : unzip(packed, sizeBytes);
  } catch (error) {
    return `does not unpack to at most ${sizeBytes} bytes: ${String(error)}`;
  }
  if (plaintext === undefined) return 'is not as programs are split';
  if (plaintext.length === 0 || (isExact && plaintext.length !== sizeBytes)) {
    return `has ${plaintext.length} bytes instead of ${sizeBytes}`;
  }
  return hashOf('sha256', plaintext, 'hex') === hash ? plaintext : 'has other bytes';
}

function unzip(frame: Uint8Array, sizeBytesMax: number): Buffer<ArrayBuffer> {
  return zstdDecompressSync(frame, {
    maxOutputLength: sizeBytesMax,
    // In one step: each step takes memory.
    chunkSize: Math.max(64, sizeBytesMax + 1),
    params: { [constants.ZSTD_d_windowLogMax]: windowLogMax },
  });
}
