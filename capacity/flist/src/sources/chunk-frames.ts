import { GridError } from '@commongrid/base';

import type { FlistErrorCode } from '../errors.ts';
import type { ChunkHash, PackedChunk } from '../ports.ts';
import { packedChunkBytesMax } from '../store/chunk-codec.ts';
import { hashBytes } from '../tree/inode.ts';

/** Chunks that one request may ask for. */
export const batchHashesMax = 1_000;

/** What a request says that takes chunks in all forms; without it they come as zstd frames. */
export const formsHeader = 'grid-chunk-forms';
export const allForms = 'zstd, split';

/** Whether who sent this header takes chunks in the split form. */
export function takesSplit(forms: string | string[] | undefined): boolean {
  return [forms ?? []]
    .flat()
    .some((text) => text.split(',').some((form) => form.trim() === 'split'));
}

/** In place of a length: the source does not have this chunk. */
export const absentLength = 0xff_ff_ff_ff;

const headerBytes = hashBytes + 4;

/** What stands ahead of a packed chunk in the answer to a batch; `undefined` for one not there. */
export function frameHeader(hash: ChunkHash, packedBytes: number | undefined): Buffer {
  const header = Buffer.alloc(headerBytes);
  header.write(hash, 'hex');
  header.writeUInt32BE(packedBytes ?? absentLength, hashBytes);
  return header;
}

/**
 * Takes the answer to a batch apart, piece by piece; chunks that are not there are left out.
 * Memory: what came of one chunk, and one piece.
 * @throws FLIST_SOURCE_FAILED when the answer ends within a frame or declares too much
 */
export async function* readFrames(
  pieces: AsyncIterable<Uint8Array>,
  source: string,
): AsyncGenerator<PackedChunk, void> {
  const parser = new FrameParser(source);
  for await (const piece of pieces) yield* parser.take(piece);
  parser.end();
}

/** Bytes go to where they stay at once: a frame has its own memory from when its length is known. */
class FrameParser {
  readonly #source: string;
  readonly #header = Buffer.alloc(headerBytes);
  /** What is read now: the header, or the frame behind it. */
  #target = this.#header;
  #filledBytes = 0;
  #frames = 0;

  constructor(source: string) {
    this.#source = source;
  }

  *take(piece: Uint8Array): Generator<PackedChunk, void> {
    for (let at = 0; at < piece.length;) {
      const part = piece.subarray(at, at + this.#target.length - this.#filledBytes);
      this.#target.set(part, this.#filledBytes);
      this.#filledBytes += part.length;
      at += part.length;
      // A frame may have no bytes: it is over with its header.
      while (this.#filledBytes === this.#target.length) {
        const chunk = this.#turn();
        if (chunk !== undefined) yield chunk;
      }
    }
  }

  end(): void {
    if (this.#target === this.#header && this.#filledBytes === 0) return;
    throw nonsense(this.#source, 'ended within a chunk');
  }

  /** What was read is complete: the next is read. */
  #turn(): PackedChunk | undefined {
    const packed = this.#target;
    this.#filledBytes = 0;
    this.#target = this.#header;
    if (packed !== this.#header) {
      return { hash: this.#header.toString('hex', 0, hashBytes) as ChunkHash, packed };
    }
    if (++this.#frames > batchHashesMax) throw nonsense(this.#source, 'sent more than was asked');
    const packedBytes = this.#header.readUInt32BE(hashBytes);
    if (packedBytes === absentLength) return undefined;
    if (packedBytes > packedChunkBytesMax) {
      throw nonsense(this.#source, `declared a chunk of ${packedBytes} bytes`);
    }
    this.#target = Buffer.allocUnsafeSlow(packedBytes);
    return undefined;
  }
}

function nonsense(source: string, what: string): GridError<FlistErrorCode> {
  return new GridError('FLIST_SOURCE_FAILED', `source ${source} ${what}`, {
    retryable: true,
    details: { source },
  });
}
