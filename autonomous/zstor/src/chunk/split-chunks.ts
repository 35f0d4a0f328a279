import { sharedPool } from './buffer-pool.ts';

/** A part of a blob, as long as chunks are; the last one may be shorter. */
export interface ChunkPlaintext {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly isLast: boolean;
}

/**
 * Cuts a stream into chunks, each in a buffer of the pool. Holds one chunk: a full one goes out when
 * the next byte comes or the end, which tells whether it is the last. An empty stream is one empty
 * chunk, so that its end is authenticated too.
 */
export async function* splitChunks(
  source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  chunkSizeBytes: number,
): AsyncGenerator<ChunkPlaintext, void> {
  let chunk = sharedPool().take(chunkSizeBytes);
  let length = 0;
  for await (const piece of source) {
    for (let at = 0; at < piece.length;) {
      if (length === chunkSizeBytes) {
        yield { bytes: chunk, isLast: false };
        chunk = sharedPool().take(chunkSizeBytes);
        length = 0;
      }
      const taken = piece.subarray(at, at + chunkSizeBytes - length);
      chunk.set(taken, length);
      length += taken.length;
      at += taken.length;
    }
  }
  yield { bytes: chunk.subarray(0, length), isLast: true };
}
