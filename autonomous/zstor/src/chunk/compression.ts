import { constants, zstdCompressSync, zstdDecompressSync } from 'node:zlib';

/** How much of a chunk is tried first, and in how many pieces: its start says little of the rest. */
const probeBytes = 64 * 2 ** 10;
const probePieces = 4;
/** Saving less than a tenth is not worth unpacking it at each read. */
const worthwhileRatio = 0.9;
const level = { [constants.ZSTD_c_compressionLevel]: 1 };

/** A zstd frame of the bytes, or undefined when they do not shrink enough. */
export function compress(bytes: Uint8Array): Uint8Array | undefined {
  if (bytes.length > probeBytes && !shrinks(probeOf(bytes))) return undefined;
  return shrunk(bytes);
}

/**
 * Undoes `compress`. Never makes more than `plaintextBytes`, whatever the frame says of itself.
 * @throws an error of node:zlib when it is no frame of that length
 */
export function decompress(frame: Uint8Array, plaintextBytes: number): Buffer {
  const bytes = zstdDecompressSync(frame, {
    maxOutputLength: plaintextBytes,
    chunkSize: Math.max(probeBytes, plaintextBytes),
  });
  if (bytes.length !== plaintextBytes) throw new RangeError('the frame is shorter than it was');
  return bytes;
}

function probeOf(bytes: Uint8Array): Uint8Array {
  const pieceBytes = probeBytes / probePieces;
  const distance = Math.floor((bytes.length - pieceBytes) / (probePieces - 1));
  return Buffer.concat(
    Array.from({ length: probePieces }, (_, piece) =>
      bytes.subarray(piece * distance, piece * distance + pieceBytes),
    ),
  );
}

function shrinks(bytes: Uint8Array): boolean {
  return shrunk(bytes) !== undefined;
}

function shrunk(bytes: Uint8Array): Uint8Array | undefined {
  const frame = zstdCompressSync(bytes, {
    params: level,
    // The default grows the output by 16 KiB at a time.
    chunkSize: Math.max(probeBytes, bytes.length),
  });
  return frame.length <= bytes.length * worthwhileRatio ? frame : undefined;
}
