import { GridError } from '@commongrid/base';

import type { FlistErrorCode } from '../errors.ts';
import type { ChunkHash, PackedChunk } from '../ports.ts';
import { packedChunkBytesMax } from '../store/chunk-codec.ts';
import { hashBytes } from '../tree/inode.ts';

/** Chunks that one request may ask for. */
export const batchHashesMax = 1_000;

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
  for await (const piece of pieces) {
    parser.push(piece);
    for (let chunk = parser.next(); chunk !== undefined; chunk = parser.next()) yield chunk;
  }
  parser.end();
}

class FrameParser {
  readonly #source: string;
  #pieces: Uint8Array[] = [];
  #bufferedBytes = 0;
  #header: { readonly hash: ChunkHash; readonly packedBytes: number } | undefined;
  #frames = 0;

  constructor(source: string) {
    this.#source = source;
  }

  push(piece: Uint8Array): void {
    this.#pieces.push(piece);
    this.#bufferedBytes += piece.length;
  }

  /** The next whole chunk; undefined when more bytes are needed. */
  next(): PackedChunk | undefined {
    for (;;) {
      this.#header ??= this.#readHeader();
      if (this.#header === undefined) return undefined;
      const { hash, packedBytes } = this.#header;
      if (packedBytes === absentLength) {
        this.#header = undefined;
        continue;
      }
      if (this.#bufferedBytes < packedBytes) return undefined;
      this.#header = undefined;
      return { hash, packed: this.#take(packedBytes) };
    }
  }

  end(): void {
    if (this.#header === undefined && this.#bufferedBytes === 0) return;
    throw nonsense(this.#source, 'ended within a chunk');
  }

  #readHeader(): { hash: ChunkHash; packedBytes: number } | undefined {
    if (this.#bufferedBytes < headerBytes) return undefined;
    const header = this.#take(headerBytes);
    const packedBytes = header.readUInt32BE(hashBytes);
    if (packedBytes > packedChunkBytesMax && packedBytes !== absentLength) {
      throw nonsense(this.#source, `declared a chunk of ${packedBytes} bytes`);
    }
    if (++this.#frames > batchHashesMax) throw nonsense(this.#source, 'sent more than was asked');
    return { hash: header.toString('hex', 0, hashBytes) as ChunkHash, packedBytes };
  }

  #take(count: number): Buffer {
    const joined = this.#pieces.length === 1 ? this.#pieces[0] : Buffer.concat(this.#pieces);
    if (joined === undefined) return Buffer.alloc(0);
    const rest = joined.subarray(count);
    this.#pieces = rest.length === 0 ? [] : [rest];
    this.#bufferedBytes = rest.length;
    return Buffer.from(joined.buffer, joined.byteOffset, count);
  }
}

function nonsense(source: string, what: string): GridError<FlistErrorCode> {
  return new GridError('FLIST_SOURCE_FAILED', `source ${source} ${what}`, {
    retryable: true,
    details: { source },
  });
}
