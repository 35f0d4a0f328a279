import { GridError } from '@commongrid/base';

import type { FlistErrorCode } from '../errors.ts';
import type { ChunkSink } from '../ports.ts';
import { shownText } from '../tree/byte-text.ts';
import type { ByteText } from '../tree/byte-text.ts';
import { chunkCountOf } from '../tree/check-inode.ts';
import { chunkBytes, hashBytes } from '../tree/inode.ts';

/** Bytes of one file. */
const fileBytesMax = 2 ** 40;

/** Chunks that a sink works on at one time: most files of an image are small. */
const pendingChunksMax = 64;

/** Bytes of the chunks that a sink works on at one time. */
const pendingBytesMax = 8 * chunkBytes;

/**
 * Cuts the content of files into chunks for a sink, several at work at one time. The hashes of a
 * file are complete when `drain` has resolved.
 */
export class ChunkWriter {
  readonly #sink: ChunkSink;
  readonly #pending = new Set<Promise<void>>();
  #pendingBytes = 0;
  /** Resolves when the sink is done with one of them. */
  #oneDone = Promise.withResolvers<void>();
  /** Memory of whole chunks that the sink is done with. */
  readonly #spare: Buffer[] = [];
  #failure: { readonly error: unknown } | undefined;
  contentBytes = 0;
  chunks = 0;

  constructor(sink: ChunkSink) {
    this.#sink = sink;
  }

  /**
   * @param content as many bytes as `sizeBytes` says; pieces need be valid until the next only
   * @returns room for the hashes, which are there after `drain`
   * @throws FLIST_FILE_CHANGED when the content is longer or shorter, FLIST_TOO_LARGE, and what the
   *   content and the sink throw
   */
  async add(
    content: AsyncIterable<Uint8Array>,
    sizeBytes: number,
    path: ByteText,
  ): Promise<Uint8Array> {
    if (sizeBytes > fileBytesMax) throw tooLarge(path, sizeBytes);
    const hashes = new Uint8Array(chunkCountOf(sizeBytes) * hashBytes);
    let room: Buffer | undefined;
    let filled = 0;
    let doneBytes = 0;
    for await (const piece of content) {
      for (let at = 0; at < piece.length;) {
        if (doneBytes + filled === sizeBytes) throw changed(path);
        room ??= await this.#take(Math.min(chunkBytes, sizeBytes - doneBytes));
        const part = piece.subarray(at, at + room.length - filled);
        room.set(part, filled);
        at += part.length;
        filled += part.length;
        if (filled < room.length) continue;
        this.#put(room, hashes, doneBytes / chunkBytes);
        doneBytes += filled;
        room = undefined;
        filled = 0;
      }
    }
    if (doneBytes !== sizeBytes) throw changed(path);
    return hashes;
  }

  /** Waits until the sink has all. @throws what the sink threw */
  async drain(): Promise<void> {
    await this.settle();
    this.#check();
  }

  /** Waits until the sink is done with what it was given, well or not. */
  async settle(): Promise<void> {
    await Promise.all(this.#pending);
  }

  async #take(sizeBytes: number): Promise<Buffer> {
    while (
      this.#pending.size >= pendingChunksMax ||
      this.#pendingBytes + sizeBytes > pendingBytesMax
    ) {
      await this.#oneDone.promise;
    }
    this.#check();
    if (sizeBytes < chunkBytes) return Buffer.allocUnsafeSlow(sizeBytes);
    return this.#spare.pop() ?? Buffer.allocUnsafeSlow(chunkBytes);
  }

  #put(chunk: Buffer, hashes: Uint8Array, index: number): void {
    this.contentBytes += chunk.length;
    this.chunks++;
    this.#pendingBytes += chunk.length;
    const work = this.#work(chunk, hashes, index * hashBytes).finally(() => {
      this.#pending.delete(work);
      this.#pendingBytes -= chunk.length;
      this.#oneDone.resolve();
      this.#oneDone = Promise.withResolvers();
    });
    this.#pending.add(work);
  }

  /** Never rejects: a failure is thrown at the next call. */
  async #work(chunk: Buffer, hashes: Uint8Array, at: number): Promise<void> {
    try {
      const hash = await this.#sink.put(chunk);
      hashes.set(Buffer.from(hash, 'hex'), at);
      if (chunk.length === chunkBytes) this.#spare.push(chunk);
    } catch (error) {
      this.#failure ??= { error };
    }
  }

  #check(): void {
    if (this.#failure !== undefined) throw this.#failure.error;
  }
}

function changed(path: ByteText): GridError<FlistErrorCode> {
  const shown = shownText(path);
  return new GridError('FLIST_FILE_CHANGED', `${shown} has changed while it was read`, {
    hint: 'stop what writes to it, then try again',
    retryable: true,
    details: { path: shown },
  });
}

function tooLarge(path: ByteText, sizeBytes: number): GridError<FlistErrorCode> {
  const shown = shownText(path);
  return new GridError('FLIST_TOO_LARGE', `${shown} says that it has ${sizeBytes} bytes`, {
    details: { path: shown, sizeBytes, fileBytesMax },
  });
}
