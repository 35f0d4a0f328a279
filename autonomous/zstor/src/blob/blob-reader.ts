import { delay, GridError, isGridError, systemClock } from '@commongrid/base';
import type { Clock } from '@commongrid/base';
import type { Credit, CreditLoan } from '../backends/credit.ts';
import { giveValue, sharedPool } from '../chunk/buffer-pool.ts';
import type { ZstorErrorCode } from '../errors.ts';
import type { CodingThreads } from '../threads/coding-threads.ts';
import type { ChunkPins } from './chunk-pins.ts';
import type { ChunkRecord, Locations } from './chunk-record.ts';
import { ShardFetch } from './shard-fetch.ts';
import type { ShardFault } from './shard-fetch.ts';
import type { Backends } from './shard-spread.ts';
import { openParts, openSlice, shardsOfSlice } from './slice-reader.ts';
import { keptPart, streamChunksMax } from './stream-budget.ts';
import type { StoredBlob } from './written-blob.ts';

/**
 * Pauses before a chunk's locations are looked up again, ms. Shards may have moved while they were read; those that
 * come after a write was answered may be late.
 */
const pausesMs = [0, 25, 75, 200, 400];
/** Why what was read ahead is given up. */
const noMore = 'nobody reads on';

export interface BlobReaderOptions {
  readonly backends: Backends;
  readonly threads: CodingThreads;
  readonly budget: Credit;
  readonly locations: Locations;
  /** Told what is being read, for whoever deletes. */
  readonly pins?: ChunkPins;
  /** Hears of shards that are missing or wrong; they were read from elsewhere. */
  readonly onFault?: (fault: ShardFault) => void;
  readonly clock?: Clock;
}

/** Bytes of a blob. */
export interface BlobRange {
  /** First byte. Default 0. */
  readonly from?: number | undefined;
  /** Behind the last byte. Default: the end. */
  readonly to?: number | undefined;
}

/** A blob that is read after others. */
export interface BlobSpan extends BlobRange {
  readonly blob: StoredBlob;
}

export interface StreamOptions {
  /** Who reads it: those who are named share the memory of streams. Default: nobody. */
  readonly borrower?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface ReadOptions extends BlobRange, StreamOptions {}

interface BeginOptions {
  /** Nothing of the stream is in memory. */
  readonly isFirst: boolean;
  readonly borrower: string | undefined;
  readonly signal: AbortSignal;
}

/** A chunk, or the part of it that is asked for. */
interface Part {
  readonly blob: StoredBlob;
  readonly index: number;
  readonly from: number;
  readonly to: number;
}

/** Reads blobs, or ranges of them, a few chunks ahead. */
export class BlobReader {
  readonly #options: BlobReaderOptions;

  constructor(options: BlobReaderOptions) {
    this.#options = options;
  }

  /** The bytes of one blob, or of a range of it. See `readAll`. */
  read(blob: StoredBlob, options: ReadOptions = {}): AsyncGenerator<Buffer, void> {
    const { from, to, ...stream } = options;
    return this.readAll([{ blob, from, to }], stream);
  }

  /**
   * The bytes of blobs one after the other, chunk by chunk, read ahead from one into the next. What is yielded may be used until the next is asked for, or the
   * iteration ends: then its memory is used again. All bytes are authenticated.
   * @throws ZSTOR_SHARDS_TOO_FEW, ZSTOR_CHUNK_UNKNOWN, ZSTOR_CHUNK_CORRUPT, ZSTOR_SLOW_DOWN,
   *   BASE_ABORTED
   */
  async *readAll(
    spans: readonly BlobSpan[],
    options: StreamOptions = {},
  ): AsyncGenerator<Buffer, void> {
    const stop = new AbortController();
    const { signal } = stop;
    const { signal: given, borrower } = options;
    // Not AbortSignal.any, which costs as much as a read from a table.
    const onAbort = (): void => stop.abort(given?.reason);
    given?.addEventListener('abort', onAbort, { once: true });
    if (given?.aborted === true) onAbort();
    const parts = partsOf(spans);
    const ahead: Opening[] = [];
    using _pin = this.#options.pins?.pin(
      spans.flatMap(({ blob }) => blob.chunks.map(({ id }) => id)),
    );
    let next = parts.next();
    try {
      for (;;) {
        while (ahead.length < streamChunksMax && next.done !== true) {
          const isFirst = ahead.length === 0;
          const opening = await this.#begin(next.value, { isFirst, borrower, signal });
          if (opening === undefined) break;
          ahead.push(opening);
          next = parts.next();
        }
        const [first] = ahead;
        if (first === undefined) return;
        yield await first.bytes;
        ahead.shift();
        await first.release();
      }
    } finally {
      given?.removeEventListener('abort', onAbort);
      if (ahead.length > 0) stop.abort(given?.reason ?? noMore);
      await Promise.all(ahead.map((opening) => opening.release()));
    }
  }

  /** The first chunk waits for memory; others are read ahead only while there is plenty. */
  async #begin(
    part: Part,
    { isFirst, borrower, signal }: BeginOptions,
  ): Promise<Opening | undefined> {
    const { budget } = this.#options;
    const { blob, index } = part;
    const chunk = blob.chunks[index];
    if (chunk === undefined) return undefined;
    // Answers, the same together for a thread, and the plaintext.
    const neededBytes = 3 * chunk.plaintextBytes;
    const keptBytes = budget.totalBytes * keptPart;
    const loan = isFirst
      ? await budget.take(neededBytes, signal, borrower)
      : budget.tryTake(neededBytes, keptBytes, borrower);
    if (loan === undefined) return undefined;
    return new Opening(this.#open(blob, index, signal), part, loan, chunk.plaintextBytes);
  }

  async #open(blob: StoredBlob, index: number, signal: AbortSignal): Promise<Buffer<ArrayBuffer>> {
    const { clock = systemClock } = this.#options;
    for (let look = 0; ; look++) {
      try {
        return await this.#openFrom(this.#find(blob, index), blob, index, signal);
      } catch (error) {
        const pauseMs = pausesMs[look];
        const mayCome = isGridError<ZstorErrorCode>(error, 'ZSTOR_SHARDS_TOO_FEW');
        if (!mayCome || pauseMs === undefined) throw error;
        await delay(pauseMs, { clock, signal });
      }
    }
  }

  async #openFrom(
    record: ChunkRecord,
    { secret, chunks }: StoredBlob,
    index: number,
    signal: AbortSignal,
  ): Promise<Buffer<ArrayBuffer>> {
    const { backends, threads, onFault, clock } = this.#options;
    const plaintextBytes = chunks[index]?.plaintextBytes ?? 0;
    const place = { blob: secret, index, isLast: index === chunks.length - 1 };
    const { slice } = record;
    const wanted = slice === undefined ? undefined : shardsOfSlice(record);
    using _pin = this.#options.pins?.pin([record.id]);
    if (slice !== undefined) {
      const bytes = await openParts(backends, record, place, plaintextBytes, signal);
      if (bytes !== undefined) return bytes;
    }
    const fetch = new ShardFetch({ backends, record, signal, wanted, onFault, clock });
    try {
      if (slice !== undefined) {
        return await openSlice({ fetch, threads }, record, slice, place, plaintextBytes);
      }
      for (;;) {
        const answers = await fetch.enough();
        try {
          const bytes = await threads.openChunk(place, plaintextBytes, answers);
          for (const { value } of answers) giveValue(value);
          return bytes;
        } catch (error) {
          if (!isAboutShard(error) || !fetch.dropWrong()) throw error;
        }
      }
    } finally {
      await fetch.close();
    }
  }

  #find({ chunks }: StoredBlob, index: number): ChunkRecord {
    const id = chunks[index]?.id;
    const record = id === undefined ? undefined : this.#options.locations.find(id);
    if (record !== undefined) return record;
    const chunkId = id === undefined ? '' : Buffer.from(id).toString('hex');
    throw new GridError<ZstorErrorCode>('ZSTOR_CHUNK_UNKNOWN', `no chunk ${chunkId} is known`, {
      hint: 'rebuild the metadata from the backends',
      details: { chunkId },
    });
  }
}

/** A chunk that is being read, and its memory. */
class Opening {
  readonly bytes: Promise<Buffer>;
  readonly #chunk: Promise<Buffer<ArrayBuffer>>;
  readonly #loan: CreditLoan;

  constructor(
    chunk: Promise<Buffer<ArrayBuffer>>,
    { from, to }: Part,
    loan: CreditLoan,
    plaintextBytes: number,
  ) {
    this.#chunk = chunk;
    this.#loan = loan;
    this.bytes = chunk.then((all) => {
      loan.shrinkTo(plaintextBytes);
      return all.subarray(from, to);
    });
    // Its turn comes later, or never.
    this.bytes.catch(() => {});
  }

  /** Waits for it, when it is still being read. */
  async release(): Promise<void> {
    try {
      sharedPool().give(await this.#chunk);
    } catch {
      // Whoever asked for the bytes has heard of it.
    } finally {
      this.#loan.release();
    }
  }
}

/** The chunks that ranges touch. An empty blob has one, whose end is checked too. */
function* partsOf(spans: readonly BlobSpan[]): Generator<Part, void> {
  for (const { blob, from = 0, to = Infinity } of spans) {
    let start = 0;
    for (const [index, { plaintextBytes }] of blob.chunks.entries()) {
      const end = start + plaintextBytes;
      const isEmptyBlob = blob.chunks.length === 1 && plaintextBytes === 0;
      if ((start < to && end > from) || isEmptyBlob) {
        const part = { from: Math.max(0, from - start), to: Math.min(plaintextBytes, to - start) };
        yield { blob, index, ...part };
      }
      start = end;
    }
  }
}

/** Says that a shard is wrong, though not always truly which. */
function isAboutShard(error: unknown): boolean {
  return (
    isGridError<ZstorErrorCode>(error, 'ZSTOR_SHARD_CORRUPT') ||
    isGridError<ZstorErrorCode>(error, 'ZSTOR_SHARD_FOREIGN') ||
    isGridError<ZstorErrorCode>(error, 'ZSTOR_SHARD_UNKNOWN')
  );
}
