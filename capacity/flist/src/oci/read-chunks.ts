import { GridError, throwIfAborted } from '@commongrid/base';

import type { FlistErrorCode } from '../errors.ts';
import { chunkHashesOf } from '../format/object-id.ts';
import type { ChunkHash, ChunkSource } from '../ports.ts';
import { unpackChunk } from '../store/chunk-codec.ts';
import { chunkBytes } from '../tree/inode.ts';
import type { RegularFile } from '../tree/inode.ts';

/** Chunks that are fetched at one time: 8 MiB. */
const batchChunksMax = 16;

interface WantedChunk {
  readonly hash: ChunkHash;
  readonly sizeBytes: number;
}

/**
 * The content of files one behind the other, chunk by chunk, each verified.
 * @throws FLIST_CHUNK_UNAVAILABLE, FLIST_CHUNK_CORRUPT, and what the source throws
 */
export async function* readChunks(
  files: Iterable<RegularFile>,
  source: ChunkSource,
  signal: AbortSignal,
): AsyncGenerator<Buffer, void, void> {
  let batch: WantedChunk[] = [];
  for (const chunk of chunksOf(files)) {
    batch.push(chunk);
    if (batch.length < batchChunksMax) continue;
    yield* fetchBatch(batch, source, signal);
    batch = [];
  }
  if (batch.length > 0) yield* fetchBatch(batch, source, signal);
}

function* chunksOf(files: Iterable<RegularFile>): Generator<WantedChunk> {
  for (const file of files) {
    let leftBytes = file.sizeBytes;
    for (const hash of chunkHashesOf(file)) {
      yield { hash, sizeBytes: Math.min(leftBytes, chunkBytes) };
      leftBytes -= chunkBytes;
    }
  }
}

async function* fetchBatch(
  batch: readonly WantedChunk[],
  source: ChunkSource,
  signal: AbortSignal,
): AsyncGenerator<Buffer, void, void> {
  throwIfAborted(signal);
  const sizes = new Map(batch.map(({ hash, sizeBytes }) => [hash, sizeBytes]));
  const unpacking = new Map<ChunkHash, Promise<Buffer>>();
  for await (const { hash, packed } of source.fetch([...sizes.keys()], signal)) {
    const sizeBytes = sizes.get(hash);
    if (sizeBytes === undefined || unpacking.has(hash)) continue;
    const work = unpackChunk(hash, packed, sizeBytes, true);
    work.catch(() => undefined);
    unpacking.set(hash, work);
  }
  for (const { hash, sizeBytes } of batch) {
    const plaintext = await unpacking.get(hash);
    // An flist that lies can want one chunk with two lengths.
    if (plaintext?.length !== sizeBytes) throw unavailable(hash, source);
    yield plaintext;
  }
}

function unavailable(hash: ChunkHash, source: ChunkSource): GridError<FlistErrorCode> {
  return new GridError('FLIST_CHUNK_UNAVAILABLE', `${source.name} has no chunk ${hash}`, {
    hint: 'use a source that has all of the image',
    retryable: true,
    details: { hash, source: source.name },
  });
}
