import { GridError, isGridError, systemClock } from '@commongrid/base';

import type { FlistErrorCode } from '../errors.ts';
import { decodeFlist } from '../format/decode-flist.ts';
import { flistDigestOf } from '../format/flist.ts';
import type { FlistDigest } from '../format/flist.ts';
import { chunkHashesOf } from '../format/object-id.ts';
import { unpackFlist } from '../format/pack-flist.ts';
import type { ChunkHash, ChunkSource, PackedChunk } from '../ports.ts';
import { batchHashesMax, frameHeader } from '../sources/chunk-frames.ts';
import { isHashText } from '../sources/hash-text.ts';
import { SilenceWatch } from '../sources/silence-watch.ts';
import { filesOf } from '../store/files-of.ts';
import type { FlistRepository } from '../store/flist-repository.ts';
import { missingHashesMax, uploadBytesMax } from './change-routes.ts';
import { replyInvalid } from './hub-link.ts';
import type { HubCall, HubLink } from './hub-link.ts';
import { inParallel, piecesOf } from './in-parallel.ts';

export interface TransferProgress {
  /** Distinct chunks of the image. */
  readonly totalChunks: number;
  /** Of these, how many are on the other side: for good, where that is a hub. */
  readonly doneChunks: number;
  /** Of packed chunks that went over the wire. */
  readonly movedBytes: number;
}

export interface TransferOptions {
  readonly onProgress?: (progress: TransferProgress) => void;
  readonly signal?: AbortSignal;
}

export interface TransferResult extends TransferProgress {
  readonly digest: FlistDigest;
}

/** Where an image is taken from: an FlistRepository, or what reads the folder of one. */
export interface UploadSource extends Pick<ChunkSource, 'fetch'> {
  getPackedFlist(digest: FlistDigest): Promise<Buffer | undefined>;
}

/** Groups of chunks under way at a time, each at most 8 MiB of them in memory. */
const groupsMax = 3;
/** Chunks that are asked of a source at a time. */
const groupChunks = 512;
/** Times that an image is gone through: chunks can be collected or found damaged meanwhile. */
const roundsMax = 3;

/** Brings an image to a hub: what is missing there, then the flist. */
export async function uploadImage(
  link: HubLink,
  digest: FlistDigest,
  source: UploadSource,
  options: TransferOptions = {},
): Promise<TransferResult> {
  const packed = await source.getPackedFlist(digest);
  if (packed === undefined) throw absent(digest);
  const wanted = await wantedChunks(digest, packed);
  const count = new Count(wanted.length, options);
  for (let round = 1; ; round++) {
    const missing = await missingChunks(link, wanted, options.signal);
    count.start(wanted.length - missing.length);
    const send = (hashes: ChunkHash[], signal: AbortSignal): Promise<void> =>
      uploadChunks({ link, source, count, signal }, hashes);
    await inParallel(piecesOf(missing, groupChunks), groupsMax, send, options.signal);
    try {
      const path = `/v1/flists/${digest}`;
      await link.json({ method: 'PUT', path, body: packed, signal: options.signal });
      return { digest, ...count.progress };
    } catch (error) {
      if (!isGridError(error, 'FLIST_CHUNKS_MISSING') || round >= roundsMax) throw error;
    }
  }
}

/** The flist of an image, packed. @throws FLIST_CORRUPT and what `unpackFlist` throws */
export async function downloadFlist(
  link: HubLink,
  digest: FlistDigest,
  packedBytesMax: number,
  options: Pick<HubCall, 'signal' | 'onBytes'>,
): Promise<Buffer> {
  const { signal, onBytes = () => {} } = options;
  const path = `/v1/flists/${digest}`;
  const packed = await link.bytes({ method: 'GET', path, signal, onBytes }, packedBytesMax);
  await checkedBytes(digest, packed);
  return packed;
}

/** Brings an image from a hub into a repository: what is missing there, then the flist. */
export async function downloadImage(
  link: HubLink,
  chunks: ChunkSource,
  digest: FlistDigest,
  repository: FlistRepository,
  options: TransferOptions & { readonly packedBytesMax: number; readonly silenceMs: number },
): Promise<TransferResult> {
  const { packedBytesMax, silenceMs, signal } = options;
  const path = `/v1/flists/${digest}`;
  const packed = await link.bytes({ method: 'GET', path, signal }, packedBytesMax);
  const wanted = await wantedChunks(digest, packed);
  const count = new Count(wanted.length, options);
  for (let round = 1; ; round++) {
    const there = await repository.hasChunks(wanted);
    const missing = wanted.filter((hash) => !there.has(hash));
    count.start(there.size);
    const take = (hashes: ChunkHash[], stop: AbortSignal): Promise<void> =>
      downloadChunks({ chunks, repository, count, silenceMs, signal: stop }, hashes);
    try {
      await inParallel(piecesOf(missing, groupChunks), groupsMax, take, signal);
      await repository.putFlist(packed);
      return { digest, ...count.progress };
    } catch (error) {
      const isLost =
        isGridError(error) && (error.retryable || error.code === 'FLIST_CHUNKS_MISSING');
      if (!isLost || round >= roundsMax || signal?.aborted === true) throw error;
    }
  }
}

interface Upload {
  readonly link: HubLink;
  readonly source: UploadSource;
  readonly count: Count;
  readonly signal: AbortSignal;
}

async function uploadChunks(upload: Upload, hashes: readonly ChunkHash[]): Promise<void> {
  const lacking = new Set(hashes);
  let group: PackedChunk[] = [];
  let bytes = 0;
  for await (const chunk of upload.source.fetch(hashes, upload.signal)) {
    const more = frameHeader(chunk.hash, chunk.packed.length).length + chunk.packed.length;
    if (bytes + more > uploadBytesMax || group.length >= batchHashesMax) {
      await putGroup(upload, group);
      [group, bytes] = [[], 0];
    }
    group.push(chunk);
    bytes += more;
    lacking.delete(chunk.hash);
  }
  const [first] = lacking;
  if (first !== undefined) {
    throw new GridError<FlistErrorCode>('FLIST_CHUNK_UNAVAILABLE', `chunk ${first} is not here`, {
      hint: 'make or fetch the image again',
      details: { hash: first, lacking: lacking.size },
    });
  }
  await putGroup(upload, group);
}

async function putGroup(
  { link, count, signal }: Upload,
  group: readonly PackedChunk[],
): Promise<void> {
  const body = Buffer.concat(
    group.flatMap(({ hash, packed }) => [frameHeader(hash, packed.length), packed]),
  );
  await link.json({ method: 'PUT', path: '/v1/chunks', body, signal });
  for (const chunk of group) count.add(chunk);
}

interface Download {
  readonly chunks: ChunkSource;
  readonly repository: FlistRepository;
  readonly count: Count;
  /** The hub is given up after that long without a chunk. */
  readonly silenceMs: number;
  readonly signal: AbortSignal;
}

async function downloadChunks(
  { chunks, repository, count, silenceMs, signal }: Download,
  hashes: readonly ChunkHash[],
): Promise<void> {
  const lacking = new Set(hashes);
  const silent = new AbortController();
  using watch = new SilenceWatch({
    clock: systemClock,
    slowAfterMs: silenceMs,
    giveUpAfterMs: silenceMs,
    onSign: () => {},
    onSlow: () => {},
    onGivenUp: () => silent.abort(),
  });
  const stop = AbortSignal.any([signal, silent.signal]);
  for await (const chunk of chunks.fetch(hashes, stop)) {
    watch.noteSign();
    if (!lacking.delete(chunk.hash)) throw replyInvalid('the hub sends what nobody asked for');
    await watch.hold(repository.putPacked(chunk));
    count.add(chunk);
  }
}

/** @throws FLIST_CORRUPT and what `decodeFlist` throws */
async function wantedChunks(digest: FlistDigest, packed: Uint8Array): Promise<ChunkHash[]> {
  const bytes = await checkedBytes(digest, packed);
  const wanted = new Set<ChunkHash>();
  for (const file of filesOf(decodeFlist(bytes).root)) {
    for (const hash of chunkHashesOf(file)) wanted.add(hash);
  }
  return [...wanted];
}

async function checkedBytes(digest: FlistDigest, packed: Uint8Array): Promise<Buffer> {
  const bytes = await unpackFlist(packed);
  if (flistDigestOf(bytes) === digest) return bytes;
  throw new GridError<FlistErrorCode>('FLIST_CORRUPT', `these bytes are not flist ${digest}`, {
    hint: 'fetch it from another hub',
  });
}

async function missingChunks(
  link: HubLink,
  wanted: readonly ChunkHash[],
  signal: AbortSignal | undefined,
): Promise<ChunkHash[]> {
  const all: ChunkHash[] = [];
  for (const hashes of piecesOf(wanted, missingHashesMax)) {
    const body = Buffer.from(hashes.join(''), 'hex');
    const json = await link.json({ method: 'POST', path: '/v1/chunks/missing', body, signal });
    const asked = new Set(hashes);
    for (const hash of missingIn(json)) {
      if (!asked.delete(hash)) throw replyInvalid('the hub lacks what nobody asked for');
      all.push(hash);
    }
  }
  return all;
}

function missingIn(json: unknown): ChunkHash[] {
  const missing = typeof json === 'object' && json !== null && 'missing' in json && json.missing;
  const isText = (one: unknown): one is ChunkHash => typeof one === 'string' && isHashText(one);
  if (Array.isArray(missing) && missing.every(isText)) return missing;
  throw replyInvalid('the answer has no list of hashes');
}

/** How far a transfer is. */
class Count {
  readonly #onProgress: TransferOptions['onProgress'];
  progress: TransferProgress;

  constructor(totalChunks: number, { onProgress }: TransferOptions) {
    this.#onProgress = onProgress;
    this.progress = { totalChunks, doneChunks: 0, movedBytes: 0 };
  }

  start(doneChunks: number): void {
    this.progress = { ...this.progress, doneChunks };
    this.#onProgress?.(this.progress);
  }

  add({ packed }: PackedChunk): void {
    const { doneChunks, movedBytes } = this.progress;
    this.progress = {
      ...this.progress,
      doneChunks: doneChunks + 1,
      movedBytes: movedBytes + packed.length,
    };
    this.#onProgress?.(this.progress);
  }
}

function absent(digest: FlistDigest): GridError<FlistErrorCode> {
  return new GridError('FLIST_IMAGE_ABSENT', `there is no flist ${digest} to upload`);
}
