import { Readable } from 'node:stream';
import { createGzip, createZstdCompress } from 'node:zlib';

/** Bytes that are packed in one step. */
const stepBytes = 256 * 1024;

/** Packs a stream. The same bytes in give the same bytes out. What the source throws is thrown. */
export async function* packStream(
  source: AsyncIterable<Uint8Array>,
  compression: 'gzip' | 'zstd',
): AsyncGenerator<Uint8Array, void, void> {
  const input = Readable.from(inSteps(source), { objectMode: false });
  const options = { chunkSize: stepBytes };
  const packer = compression === 'gzip' ? createGzip(options) : createZstdCompress(options);
  input.on('error', (error) => packer.destroy(error));
  input.pipe(packer);
  try {
    yield* packer as AsyncIterable<Buffer>;
  } finally {
    input.destroy();
    packer.destroy();
  }
}

/** Puts small pieces together: each step is a trip to the thread pool and back. */
async function* inSteps(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, void> {
  let waiting: Uint8Array[] = [];
  let bytes = 0;
  for await (const piece of source) {
    waiting.push(piece);
    bytes += piece.length;
    if (bytes < stepBytes) continue;
    yield Buffer.concat(waiting, bytes);
    waiting = [];
    bytes = 0;
  }
  if (bytes > 0) yield Buffer.concat(waiting, bytes);
}
