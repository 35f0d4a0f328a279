import { closeOnce, GridError, silentLogger } from '@commongrid/base';
import type { BaseErrorCode, Clock, Logger, Random } from '@commongrid/base';
import { copyKey, shardKey } from '../backends/backend.ts';
import type { Credit } from '../backends/credit.ts';
import { Blob } from '../chunk/blob.ts';
import type { ChunkPlace } from '../chunk/blob.ts';
import { sharedPool } from '../chunk/buffer-pool.ts';
import type { ChunkPolicy } from '../chunk/policy.ts';
import { digestOf } from '../chunk/shard.ts';
import type { ZstorErrorCode } from '../errors.ts';
import { placeCopies, placeShards } from '../placement/place-shards.ts';
import type { PlacementRules } from '../placement/placement-rules.ts';
import type { CodingThreads } from '../threads/coding-threads.ts';
import { ChunkGatherer, untilAborted } from './chunk-gatherer.ts';
import type { GatheredChunk } from './chunk-gatherer.ts';
import type { ChunkIdRequest, ChunkIds } from './chunk-ids.ts';
import type { Locations } from './chunk-record.ts';
import { candidatesOf, ShardSpread } from './shard-spread.ts';
import type { Backends } from './shard-spread.ts';
import { copiedBytesMax, sealCopy } from './small-copy.ts';
import { streamChunksMax } from './stream-budget.ts';
import { WrittenBlob } from './written-blob.ts';
import type { WrittenChunk } from './written-blob.ts';

/** How a bucket's data is kept: its code, and where its shards may be. */
export type StoragePolicy = ChunkPolicy & Omit<PlacementRules, 'dataShards' | 'parityShards'>;

export interface BlobWriterOptions {
  readonly backends: Backends;
  readonly threads: CodingThreads;
  readonly budget: Credit;
  readonly ids: ChunkIds;
  readonly locations: Locations;
  readonly random?: Random;
  readonly clock?: Clock;
  readonly logger?: Logger;
}

export interface WriteOptions {
  readonly policy: StoragePolicy;
  /** Length of the stream, where it is known: small objects then take little memory. */
  readonly sizeBytes?: number | undefined;
  /** Codes it however small it is: then its shards stay where they are, and are not packed. */
  readonly isNeverPacked?: boolean;
  /** Who sends it: those who are named share the memory of streams. Default: nobody. */
  readonly borrower?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Writes streams as blobs: cut, coded, spread over backends, a few chunks of each at a time. It
 * resolves when the blob would survive; what is still on its way is written in the background.
 */
export class BlobWriter implements AsyncDisposable {
  readonly #options: BlobWriterOptions;
  readonly #logger: Logger;
  readonly #late = new Set<Promise<void>>();
  #isClosed = false;

  constructor(options: BlobWriterOptions) {
    this.#options = options;
    this.#logger = options.logger ?? silentLogger;
  }

  /**
   * @throws ZSTOR_BACKENDS_TOO_FEW, ZSTOR_SLOW_DOWN, ZSTOR_LENGTH_WRONG, BASE_ABORTED, BASE_CLOSED,
   *   and what the source throws; nothing refers then to what was written
   */
  async write(
    source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
    options: WriteOptions,
  ): Promise<WrittenBlob> {
    const { ids, random, locations } = this.#options;
    if (this.#isClosed) throw new GridError<BaseErrorCode>('BASE_CLOSED', 'no streams are taken');
    const blob = new Blob(random);
    const request = ids.begin();
    const stream = new WritingStream(this.#options, blob, request, options);
    const keep = (work: Promise<void>): void => this.#keep(work);
    try {
      const chunks = await stream.write(source);
      const end = (): void => request.end();
      return new WrittenBlob({ secret: blob.secret, chunks, locations, keep, end });
    } catch (error) {
      keep(stream.ended().then(() => request.end()));
      throw error;
    }
  }

  /** Resolves when nothing is on its way that was acknowledged or given up. */
  async idle(): Promise<void> {
    while (this.#late.size > 0) await Promise.all(this.#late);
  }

  /** Takes no more streams, and waits for what is still on its way. */
  readonly close: () => Promise<void> = closeOnce(() => {
    this.#isClosed = true;
    return this.idle();
  });

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #keep(work: Promise<void>): void {
    const late = work
      .catch((error: unknown) => this.#logger.error({ err: error }, 'shards that come late'))
      .finally(() => this.#late.delete(late));
    this.#late.add(late);
  }
}

/** One stream on its way: at most three chunks of it, the one that fills up among them. */
class WritingStream {
  readonly #deps: BlobWriterOptions;
  readonly #blob: Blob;
  readonly #request: ChunkIdRequest;
  readonly #options: WriteOptions;
  readonly #made: Promise<Made>[] = [];
  /** Chunks that are being made or sent. */
  readonly #underWay = new Set<Promise<void>>();
  #sizeBytes = 0;

  constructor(deps: BlobWriterOptions, blob: Blob, request: ChunkIdRequest, options: WriteOptions) {
    this.#deps = deps;
    this.#blob = blob;
    this.#request = request;
    this.#options = options;
  }

  async write(
    source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  ): Promise<readonly WrittenChunk[]> {
    const { sizeBytes = Infinity, signal } = this.#options;
    const { budget, clock } = this.#deps;
    const chunks = new ChunkGatherer({ ...this.#options, source, budget, clock });
    try {
      for (let isLast = false; !isLast;) {
        while (this.#underWay.size >= streamChunksMax) {
          await untilAborted(Promise.race(this.#underWay), signal);
        }
        const piece = await chunks.next();
        isLast = piece.isLast;
        this.#sizeBytes += piece.bytes.length;
        if (this.#sizeBytes > sizeBytes) {
          piece.loan.release();
          throw this.#wrongLength();
        }
        this.#begin(piece);
      }
    } catch (error) {
      chunks.stop();
      throw error;
    }
    if (this.#sizeBytes < sizeBytes && sizeBytes !== Infinity) throw this.#wrongLength();
    const made = await untilAborted(Promise.all(this.#made), signal);
    const written = made.map(({ chunk }) => chunk);
    const survivable = Promise.all(written.map(({ spread }) => spread.survivable));
    await untilAborted(survivable, signal);
    return written;
  }

  /** Resolves when nothing is on its way any more. */
  async ended(): Promise<void> {
    await Promise.allSettled(this.#underWay);
  }

  #begin(piece: GatheredChunk): void {
    const place = this.#blob.nextPlace(piece.isLast);
    const mayBePacked = this.#options.isNeverPacked !== true && piece.bytes.length < copiedBytesMax;
    const isSmall = mayBePacked && place.index === 0 && piece.isLast;
    const made = isSmall ? this.#copy(piece, place) : this.#code(piece, place);
    this.#made.push(made);
    const ended = this.#end(made, piece).finally(() => this.#underWay.delete(ended));
    // A failure is found when chunks are waited for: nobody may be there just now.
    ended.catch(() => {});
    this.#underWay.add(ended);
  }

  async #end(made: Promise<Made>, { loan }: GatheredChunk): Promise<void> {
    try {
      const { chunk, release } = await made;
      await chunk.spread.ended;
      release();
      await chunk.spread.survivable;
    } finally {
      loan.release();
    }
  }

  async #code({ bytes, loan }: GatheredChunk, place: ChunkPlace): Promise<Made> {
    const { backends, threads } = this.#deps;
    const { policy } = this.#options;
    const plaintextBytes = bytes.length;
    const id = this.#request.next();
    const placement = placeShards(id, candidatesOf(backends), policy);
    const { shards, memory } = await threads.seal(policy, place, id, bytes);
    loan.shrinkTo(memory.length);
    const digests = shards.map((shard) => Uint8Array.from(digestOf(shard)));
    const spread = new ShardSpread({
      backends,
      chunkId: id,
      rules: policy,
      placement,
      kind: 'coded',
      keyOf: (index) => shardKey(id, index),
      valueOf: (index) => shards[index]?.value ?? memory,
    });
    const { dataShards, parityShards } = policy;
    const bodyBytes = shards[0]?.bodyBytes ?? 0;
    const shape = { id, kind: 'coded', dataShards, parityShards, bodyBytes, digests } as const;
    const release = (): void => sharedPool().give(memory);
    return { chunk: { id, plaintextBytes, spread, shape }, release };
  }

  async #copy(piece: GatheredChunk, place: ChunkPlace): Promise<Made> {
    const { backends } = this.#deps;
    const { policy } = this.#options;
    const rules = { ...policy, dataShards: 1 };
    const plaintextBytes = piece.bytes.length;
    const id = this.#request.next();
    const placement = placeCopies(id, candidatesOf(backends), rules);
    const copy = sealCopy(policy, place, id, piece.bytes);
    sharedPool().give(piece.bytes);
    const spread = new ShardSpread({
      backends,
      chunkId: id,
      rules,
      placement,
      kind: 'copied',
      keyOf: () => copyKey(id),
      valueOf: () => copy.value,
    });
    const { bodyBytes, parityShards } = copy;
    const digests = [Uint8Array.from(digestOf(copy))];
    const shape = { id, kind: 'copied', dataShards: 1, parityShards, bodyBytes, digests } as const;
    return { chunk: { id, plaintextBytes, spread, shape }, release: () => {} };
  }

  #wrongLength(): GridError<ZstorErrorCode> {
    const { sizeBytes } = this.#options;
    const found = this.#sizeBytes;
    return new GridError(
      'ZSTOR_LENGTH_WRONG',
      `the stream has not the ${sizeBytes} bytes declared`,
      {
        hint: 'send it again, or declare no length',
        details: { sizeBytes, found },
      },
    );
  }
}

interface Made {
  readonly chunk: WrittenChunk;
  /** Gives its memory back, once no backend reads it. */
  readonly release: () => void;
}
