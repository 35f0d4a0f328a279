import { abortError, isGridError, systemClock, throwIfAborted } from '@commongrid/base';
import type { Clock, Timer } from '@commongrid/base';
import type { Credit, CreditLoan } from '../backends/credit.ts';
import { sharedPool } from '../chunk/buffer-pool.ts';
import type { ChunkPolicy } from '../chunk/policy.ts';
import type { ZstorErrorCode } from '../errors.ts';
import { keptPart, writeBytesOf } from './stream-budget.ts';

/** A chunk begins with a buffer of this length: many streams that bring little take little. */
const firstBytesMax = 256 * 2 ** 10;
/** How long a quick source waits for the rest of a chunk: others wait longer for what it has. */
const growWaitMs = 2_000;
/** A source that was waited for so long within a chunk is slow. */
const patienceMs = 1_000;
/** How often it is looked whether others wait for the memory that a slow source has. */
const lookEveryMs = 500;

export interface ChunkGathererOptions {
  readonly source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>;
  readonly policy: ChunkPolicy;
  readonly budget: Credit;
  /** Length of the stream, where it is known. */
  readonly sizeBytes?: number | undefined;
  readonly borrower?: string | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly clock?: Clock | undefined;
}

/** A part of a stream, in a buffer of the pool. */
export interface GatheredChunk {
  readonly bytes: Buffer<ArrayBuffer>;
  readonly isLast: boolean;
  /** What it takes until it is with the backends: plaintext and shards. */
  readonly loan: CreditLoan;
}

/** A chunk that fills up. */
interface Filling {
  buffer: Buffer<ArrayBuffer>;
  length: number;
  /** Time that its source was waited for, up to `waitingFromMs`. */
  waitedMs: number;
  /** Since when it is waited for now. */
  waitingFromMs: number;
  /** Since it has room for all: tells when to give back what is not filled. */
  pressure?: Pressure;
  readonly loan: CreditLoan;
  readonly wholeBytes: number;
}

interface Pressure extends Disposable {
  readonly isFelt: Promise<'give back'>;
}

/**
 * Cuts a stream into chunks, with the memory that each takes. A full one goes out when the next byte comes
 * or the end, which tells whether it is the last. An empty stream is one empty chunk, so that its end is
 * authenticated too.
 *
 * 1. A chunk begins with a small buffer, for which the stream waits in line while it has nothing of it.
 * 2. Once that is full it needs room for all of it, asked for in one piece: in line when the source is
 *    quick, and only while half of the memory is free when it is slow.
 * 3. While others wait for memory, a slow source gives back what it does not fill.
 *
 * In 2 and 3, who gets no more makes a shorter chunk of what it has, for which it has all the memory that
 * this takes. So nobody keeps anything while it waits for ever, and slow sources leave room for quick ones.
 */
export class ChunkGatherer {
  readonly #o: ChunkGathererOptions;
  readonly #clock: Clock;
  readonly #iterator: AsyncIterator<Uint8Array> | Iterator<Uint8Array>;
  #next: Promise<IteratorResult<Uint8Array>> | undefined;
  /** What came and is in no chunk yet. */
  #rest: Uint8Array = new Uint8Array();
  #isEnded = false;
  #gatheredBytes = 0;

  constructor(options: ChunkGathererOptions) {
    const { source, clock = systemClock } = options;
    this.#o = options;
    this.#clock = clock;
    this.#iterator =
      Symbol.asyncIterator in source ? source[Symbol.asyncIterator]() : source[Symbol.iterator]();
  }

  /**
   * The next chunk; not after the last. Its loan is the caller's.
   * @throws ZSTOR_SLOW_DOWN, BASE_ABORTED, and what the source throws
   */
  async next(): Promise<GatheredChunk> {
    const { policy, budget, sizeBytes = Infinity, borrower, signal } = this.#o;
    const leftBytes = Math.max(1, sizeBytes - this.#gatheredBytes);
    const wholeBytes = Math.min(policy.chunkSizeBytes, leftBytes);
    const firstBytes = Math.min(firstBytesMax, wholeBytes);
    const loan = await budget.take(writeBytesOf(policy, firstBytes), signal, borrower);
    const buffer = sharedPool().take(firstBytes);
    const filling: Filling = {
      ...{ buffer, length: 0, waitedMs: 0, waitingFromMs: Infinity, loan, wholeBytes },
    };
    try {
      const isLast = await this.#fill(filling);
      this.#gatheredBytes += filling.length;
      return { bytes: filling.buffer.subarray(0, filling.length), isLast, loan };
    } catch (error) {
      loan.release();
      throw error;
    } finally {
      filling.pressure?.[Symbol.dispose]();
    }
  }

  /** Tells the source that nobody reads on; it ends by itself. */
  stop(): void {
    void (async () => this.#iterator.return?.())().catch(() => {});
  }

  /** @returns whether the stream has ended */
  async #fill(filling: Filling): Promise<boolean> {
    for (;;) {
      while (this.#rest.length > 0) {
        const isFull = filling.length === filling.buffer.length;
        if (isFull && !(await this.#grow(filling))) return false;
        this.#take(filling);
      }
      if (this.#isEnded) return true;
      const result = await this.#read(filling);
      if (result === 'give back') {
        filling.loan.shrinkTo(writeBytesOf(this.#o.policy, filling.length));
        return false;
      }
      if (result.done === true) this.#isEnded = true;
      else this.#rest = result.value;
    }
  }

  #take(filling: Filling): void {
    const { buffer, length } = filling;
    const taken = this.#rest.subarray(0, buffer.length - length);
    buffer.set(taken, length);
    filling.length += taken.length;
    this.#rest = this.#rest.subarray(taken.length);
  }

  /** @returns false when the chunk stays as it is */
  async #grow(filling: Filling): Promise<boolean> {
    const { policy, budget } = this.#o;
    const { buffer, loan, wholeBytes } = filling;
    if (buffer.length === wholeBytes) return false;
    const allBytes = Math.min(budget.totalBytes, writeBytesOf(policy, wholeBytes));
    const more = await this.#borrow(allBytes - loan.bytes, filling.waitedMs >= patienceMs);
    if (more === undefined) return false;
    loan.join(more);
    filling.buffer = sharedPool().take(wholeBytes);
    filling.buffer.set(buffer);
    sharedPool().give(buffer);
    filling.pressure = this.#pressureOn(filling);
    return true;
  }

  async #borrow(bytes: number, isSlow: boolean): Promise<CreditLoan | undefined> {
    const { budget, borrower, signal } = this.#o;
    if (isSlow) return budget.tryTake(bytes, budget.totalBytes * keptPart, borrower);
    try {
      return await budget.take(bytes, signal, borrower, growWaitMs);
    } catch (error) {
      if (!isGridError<ZstorErrorCode>(error, 'ZSTOR_SLOW_DOWN')) throw error;
      return undefined;
    }
  }

  async #read(filling: Filling): Promise<IteratorResult<Uint8Array> | 'give back'> {
    const { pressure, length } = filling;
    this.#next ??= this.#ask();
    filling.waitingFromMs = this.#clock.monotonicMs();
    // An empty chunk at the end would be no harm, but a waste: only who knows that more comes gives back.
    const isMoreToCome = this.#gatheredBytes + length < (this.#o.sizeBytes ?? 0);
    const next =
      pressure !== undefined && isMoreToCome
        ? Promise.race([this.#next, pressure.isFelt])
        : this.#next;
    const result = await untilAborted(next, this.#o.signal);
    filling.waitedMs += this.#clock.monotonicMs() - filling.waitingFromMs;
    filling.waitingFromMs = Infinity;
    if (result !== 'give back') this.#next = undefined;
    return result;
  }

  #ask(): Promise<IteratorResult<Uint8Array>> {
    const next = Promise.resolve(this.#iterator.next());
    // It may fail while a chunk goes out without it; the next one hears of it.
    next.catch(() => {});
    return next;
  }

  #pressureOn(filling: Filling): Pressure {
    const { promise, resolve } = Promise.withResolvers<'give back'>();
    const look = (): void => {
      const waitsMs = Math.max(0, this.#clock.monotonicMs() - filling.waitingFromMs);
      const isSlow = filling.waitedMs + waitsMs >= patienceMs;
      if (isSlow && waitsMs > 0 && this.#o.budget.isShort) resolve('give back');
      else timer = this.#clock.setTimer(lookEveryMs, look);
    };
    let timer: Timer = this.#clock.setTimer(lookEveryMs, look);
    return { isFelt: promise, [Symbol.dispose]: () => timer.cancel() };
  }
}

/** What hangs must not hold whoever gave up. */
export async function untilAborted<T>(
  work: Promise<T>,
  signal: AbortSignal | undefined,
): Promise<T> {
  if (signal === undefined) return work;
  throwIfAborted(signal);
  const stopped = Promise.withResolvers<never>();
  const onAbort = (): void => stopped.reject(abortError(signal));
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    return await Promise.race([work, stopped.promise]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}
