import { abortError, GridError, throwIfAborted } from './errors.ts';
import type { BaseErrorCode } from './errors.ts';

export interface WaitOptions {
  readonly signal?: AbortSignal | undefined;
}

interface Pusher<T> {
  readonly value: T;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

/**
 * First in, first out, at most `limit` values. Producers choose: `push` fails when it is full,
 * `pushWhenFree` waits in line. Each value goes to one consumer.
 */
export class BoundedQueue<
  T extends object | string | number | bigint | boolean,
> implements AsyncIterable<T> {
  readonly limit: number;
  readonly #items = new Fifo<T>();
  // Invariants: somebody takes => no items; somebody pushes => `limit` items.
  readonly #takers = new Set<(value: T | undefined) => void>();
  readonly #pushers = new Set<Pusher<T>>();
  #isClosed = false;

  constructor(limit: number) {
    if (!Number.isSafeInteger(limit) || limit < 1) {
      throw new GridError<BaseErrorCode>('BASE_OPTION_INVALID', `a queue cannot hold ${limit}`);
    }
    this.limit = limit;
  }

  /** Values that nobody has taken, without those of waiting producers. */
  get size(): number {
    return this.#items.size;
  }

  /** @throws BASE_QUEUE_FULL, BASE_CLOSED */
  push(value: T): void {
    if (this.#isClosed) throw closedError();
    if (this.#items.size >= this.limit) throw this.#fullError();
    this.#accept(value);
  }

  /**
   * Resolves once the queue holds the value or a consumer has it.
   * @throws BASE_ABORTED, BASE_CLOSED: the value is then not in the queue.
   */
  pushWhenFree(value: T, options: WaitOptions = {}): Promise<void> {
    const { signal } = options;
    return new Promise((resolve, reject) => {
      throwIfAborted(signal);
      if (this.#isClosed) throw closedError();
      if (this.#items.size < this.limit) {
        this.#accept(value);
        resolve();
        return;
      }
      const pusher = { value, resolve: settled(resolve), reject: settled(reject) };
      function settled<A extends unknown[]>(fn: (...args: A) => void): (...args: A) => void {
        return (...args) => {
          signal?.removeEventListener('abort', onAbort);
          fn(...args);
        };
      }
      const onAbort = (): void => {
        this.#pushers.delete(pusher);
        if (signal !== undefined) reject(abortError(signal));
      };
      signal?.addEventListener('abort', onAbort, { once: true });
      this.#pushers.add(pusher);
    });
  }

  /** The oldest value, or undefined when there is none now. */
  tryShift(): T | undefined {
    const value = this.#items.shift();
    if (value !== undefined) this.#admitPusher();
    return value;
  }

  /**
   * The oldest value, waiting for it; undefined once the queue is closed and empty.
   * @throws BASE_ABORTED: no value is lost.
   */
  shift(options: WaitOptions = {}): Promise<T | undefined> {
    const { signal } = options;
    return new Promise((resolve, reject) => {
      throwIfAborted(signal);
      const value = this.tryShift();
      if (value !== undefined || this.#isClosed) {
        resolve(value);
        return;
      }
      const take = (taken: T | undefined): void => {
        signal?.removeEventListener('abort', onAbort);
        resolve(taken);
      };
      const onAbort = (): void => {
        this.#takers.delete(take);
        if (signal !== undefined) reject(abortError(signal));
      };
      signal?.addEventListener('abort', onAbort, { once: true });
      this.#takers.add(take);
    });
  }

  /** Takes values until the queue is closed and empty. */
  async *[Symbol.asyncIterator](): AsyncGenerator<T, void> {
    for (let value = await this.shift(); value !== undefined; value = await this.shift()) {
      yield value;
    }
  }

  /** Refuses new values; those inside can still be taken. Waiting producers fail. Idempotent. */
  close(): void {
    this.#isClosed = true;
    for (const take of this.#takers) take(undefined);
    for (const pusher of this.#pushers) pusher.reject(closedError());
    this.#takers.clear();
    this.#pushers.clear();
  }

  #accept(value: T): void {
    const taker = firstOf(this.#takers);
    if (taker === undefined) {
      this.#items.push(value);
      return;
    }
    this.#takers.delete(taker);
    taker(value);
  }

  #admitPusher(): void {
    const pusher = firstOf(this.#pushers);
    if (pusher === undefined) return;
    this.#pushers.delete(pusher);
    this.#items.push(pusher.value);
    pusher.resolve();
  }

  #fullError(): GridError<BaseErrorCode> {
    return new GridError('BASE_QUEUE_FULL', `the queue holds its limit of ${this.limit}`, {
      retryable: true,
      details: { limit: this.limit },
    });
  }
}

/** An array whose shift does not move all that follows. */
class Fifo<T> {
  #slots: (T | undefined)[] = [];
  #head = 0;

  get size(): number {
    return this.#slots.length - this.#head;
  }

  push(value: T): void {
    this.#slots.push(value);
  }

  shift(): T | undefined {
    if (this.size === 0) return undefined;
    const value = this.#slots[this.#head];
    this.#slots[this.#head++] = undefined;
    // Compacting when half is used up costs each value one move at most.
    if (this.#head * 2 >= this.#slots.length) {
      this.#slots = this.#slots.slice(this.#head);
      this.#head = 0;
    }
    return value;
  }
}

function firstOf<T>(set: ReadonlySet<T>): T | undefined {
  for (const value of set) return value;
  return undefined;
}

function closedError(): GridError<BaseErrorCode> {
  return new GridError('BASE_CLOSED', 'the queue is closed');
}
