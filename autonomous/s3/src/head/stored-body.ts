import type { DatabaseSync } from 'node:sqlite';

import type { BlobSpan, KeyWrap, StreamOptions } from '@commongrid/zstor';

import { findStretch } from '../meta/bodies.ts';
import { openBody } from './body-seal.ts';
import type { HeadContext } from './head-context.ts';

/** Pieces up to this length are copied, so that a socket may hold them while the next is read. */
const copiedBytesMax = 128 << 10;

/** A stretch of a body that can be read: bytes that are here, or those of `blob` between two places. */
type Stretch = { readonly bytes: Buffer } | BlobSpan;

/** Bytes of a body, found in the tables, which can be read whatever becomes of its rows. */
export type Readable = readonly Stretch[];

/** For `read`: the bytes of the body with this number, from `from` up to `to`. */
export function findReadable(
  { store }: HeadContext,
  db: DatabaseSync,
  body: number,
  { key, from, to }: { readonly key: KeyWrap; readonly from: number; readonly to: number },
): Readable {
  const found = findStretch(db, body, { from, to });
  if ('inline' in found) return [{ bytes: openBody(key, found.inline).subarray(from, to) }];
  const stretches: Stretch[] = [];
  let start = found.startBytes;
  for (const { id, sealed, sizeBytes } of found.pieces) {
    const end = start + sizeBytes;
    const part = { from: Math.max(0, from - start), to: Math.min(sizeBytes, to - start) };
    const isWanted = start < to && end > from;
    if (isWanted && sealed !== undefined) {
      stretches.push({ bytes: openBody(key, sealed).subarray(part.from, part.to) });
    } else if (isWanted && id !== undefined) {
      const blob = store.find(db, id);
      if (blob === undefined) throw new Error(`a body refers to no blob: ${id.toString('hex')}`);
      stretches.push({ blob, ...part });
    }
    start = end;
  }
  return stretches;
}

/**
 * The bytes, in order. Long pieces may be used until the next is asked for. Throws as
 * `BlobStore.read`.
 */
export async function* readBody(
  { store }: HeadContext,
  readable: Readable,
  stream: StreamOptions = {},
): AsyncGenerator<Buffer, void> {
  // Of a body that is deleted meanwhile, those that come later must stay, too.
  using _pin = store.pin(readable.flatMap((stretch) => ('blob' in stretch ? stretch.blob : [])));
  for (const run of runsOf(readable)) {
    if ('bytes' in run) {
      if (run.bytes.length > 0) yield run.bytes;
      continue;
    }
    for await (const piece of store.readAll(run, stream)) {
      yield piece.length <= copiedBytesMax ? Buffer.from(piece) : piece;
    }
  }
}

/** Blobs that follow each other together: they are read ahead across their borders. */
function* runsOf(readable: Readable): Generator<{ readonly bytes: Buffer } | readonly BlobSpan[]> {
  let spans: BlobSpan[] = [];
  for (const stretch of readable) {
    if ('blob' in stretch) {
      spans.push(stretch);
      continue;
    }
    if (spans.length > 0) yield spans;
    spans = [];
    yield stretch;
  }
  if (spans.length > 0) yield spans;
}

/**
 * Reads ahead up to the first piece, so that what cannot be read is known before an answer begins.
 * @returns the same bytes; unlike a generator it can be given back before it was asked for any
 */
export async function begin(pieces: AsyncGenerator<Buffer, void>): Promise<AsyncIterable<Buffer>> {
  let first: IteratorResult<Buffer, void> | undefined = await pieces.next();
  const iterator = {
    next: async (): Promise<IteratorResult<Buffer, void>> => {
      const result = first;
      first = undefined;
      return result ?? pieces.next();
    },
    return: (): Promise<IteratorResult<Buffer, void>> => pieces.return(),
  };
  return { [Symbol.asyncIterator]: () => iterator };
}
