import { Readable } from 'node:stream';
import { constants, createGunzip, createZstdDecompress } from 'node:zlib';

import { formatBytes, GridError } from '@commongrid/base';

import type { FlistErrorCode } from '../errors.ts';

export type Compression = 'none' | 'gzip' | 'zstd';

export interface UnpackLimits {
  /** Most that a stream may unpack to, bytes. Default `layerBytesMax`. */
  readonly bytesMax?: number;
  /** How many times its size it may unpack to, once it is above `ratioFreeBytes`. */
  readonly ratioMax?: number;
}

/** Bytes of one unpacked layer. */
const layerBytesMax = 256 * 2 ** 30;

/** How many times its size a layer may unpack to: more than that is no honest content. */
const layerRatioMax = 500;

/** Unpacked bytes for which nobody asks what they were packed to. */
const ratioFreeBytes = 64 * 2 ** 20;

/** zstd frames that need a larger window than 128 MiB are refused. */
const zstdWindowLogMax = 27;

/** Bytes of a piece of what is unpacked. */
const pieceBytes = 256 * 1024;

/**
 * Unpacks a stream, one piece at a time. Pieces that come in must keep their bytes: some are read
 * ahead.
 * @throws FLIST_BLOB_CORRUPT, FLIST_TOO_LARGE for what grows too much, and what the source throws
 */
export async function* unpackStream(
  packed: AsyncIterable<Uint8Array>,
  compression: Compression,
  limits: UnpackLimits = {},
): AsyncGenerator<Uint8Array, void, void> {
  const { bytesMax = layerBytesMax, ratioMax = layerRatioMax } = limits;
  const counted = new CountedSource(packed);
  const pieces = compression === 'none' ? counted : unpacked(counted, compression);
  let bytes = 0;
  for await (const piece of pieces) {
    bytes += piece.length;
    const isBomb = bytes > ratioFreeBytes && bytes > ratioMax * counted.bytes;
    if (bytes > bytesMax || isBomb) throw tooLarge(bytes, counted.bytes, bytesMax, ratioMax);
    yield piece;
  }
}

/** Knows how much it gave, and its own failures from those of whoever unpacks. */
class CountedSource implements AsyncIterable<Uint8Array> {
  readonly #source: AsyncIterable<Uint8Array>;
  bytes = 0;
  failure: { readonly error: unknown } | undefined;

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#source = source;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void, void> {
    try {
      for await (const piece of this.#source) {
        this.bytes += piece.length;
        yield piece;
      }
    } catch (error) {
      this.failure = { error };
      throw error;
    }
  }
}

async function* unpacked(
  source: CountedSource,
  compression: 'gzip' | 'zstd',
): AsyncGenerator<Uint8Array, void, void> {
  const input = Readable.from(source, { objectMode: false, highWaterMark: pieceBytes });
  const unpacker =
    compression === 'gzip'
      ? createGunzip({ chunkSize: pieceBytes })
      : createZstdDecompress({
          chunkSize: pieceBytes,
          params: { [constants.ZSTD_d_windowLogMax]: zstdWindowLogMax },
        });
  input.on('error', (error) => unpacker.destroy(error));
  input.pipe(unpacker);
  try {
    yield* unpacker as AsyncIterable<Buffer>;
  } catch (error) {
    if (source.failure !== undefined) throw source.failure.error;
    throw new GridError<FlistErrorCode>('FLIST_BLOB_CORRUPT', `a layer is no ${compression}`, {
      hint: 'fetch or make the image again',
      cause: error,
    });
  } finally {
    input.destroy();
    unpacker.destroy();
  }
}

/** What the first bytes of a stream say; the stream goes on with them. */
export async function compressionOf(
  source: AsyncIterable<Uint8Array>,
): Promise<{ readonly compression: Compression; readonly stream: AsyncIterable<Uint8Array> }> {
  const iterator = source[Symbol.asyncIterator]();
  let head = Buffer.alloc(0);
  let isDone = false;
  while (head.length < 4 && !isDone) {
    const next = await iterator.next();
    isDone = next.done === true;
    if (next.done !== true) head = Buffer.concat([head, next.value]);
  }
  async function* stream(): AsyncGenerator<Uint8Array, void, void> {
    try {
      yield head;
      for (;;) {
        const next = await iterator.next();
        if (next.done === true) return;
        yield next.value;
      }
    } finally {
      await iterator.return?.();
    }
  }
  const magic = head.subarray(0, 4).toString('hex');
  if (magic.startsWith('1f8b')) return { compression: 'gzip', stream: stream() };
  if (magic === '28b52ffd') return { compression: 'zstd', stream: stream() };
  return { compression: 'none', stream: stream() };
}

function tooLarge(
  bytes: number,
  packedBytes: number,
  bytesMax: number,
  ratioMax: number,
): GridError<FlistErrorCode> {
  const [from, to] = [formatBytes(packedBytes), formatBytes(bytes)];
  return new GridError('FLIST_TOO_LARGE', `a layer of ${from} unpacks to more than ${to}`, {
    hint: 'it is made to fill disks: do not use it',
    details: { bytes, packedBytes, bytesMax, ratioMax },
  });
}
