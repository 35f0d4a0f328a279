import { abortError, GridError, throwIfAborted } from './errors.ts';
import type { BaseErrorCode } from './errors.ts';
import type { WaitOptions } from './queue.ts';

export interface MutexOptions {
  /** Most callers in line. Default 10 000. */
  readonly maxWaiting?: number;
}

/** One at a time, in order of arrival, within this process. Not reentrant. */
export class Mutex {
  readonly #maxWaiting: number;
  readonly #waiting = new Set<() => void>();
  #isHeld = false;

  constructor(options: MutexOptions = {}) {
    this.#maxWaiting = options.maxWaiting ?? 10_000;
  }

  /** Callers in line, without the one that runs. */
  get waitingCount(): number {
    return this.#waiting.size;
  }

  /**
   * Runs `fn` alone; resolves or rejects as it does.
   * @throws BASE_ABORTED while in line (a running `fn` watches the signal itself), BASE_QUEUE_FULL
   */
  async run<T>(fn: () => Promise<T> | T, options: WaitOptions = {}): Promise<T> {
    await this.#acquire(options.signal);
    try {
      return await fn();
    } finally {
      this.#release();
    }
  }

  #acquire(signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      throwIfAborted(signal);
      if (!this.#isHeld) {
        this.#isHeld = true;
        resolve();
        return;
      }
      if (this.#waiting.size >= this.#maxWaiting) throw this.#fullError();
      const enter = (): void => {
        signal?.removeEventListener('abort', onAbort);
        resolve();
      };
      const onAbort = (): void => {
        this.#waiting.delete(enter);
        if (signal !== undefined) reject(abortError(signal));
      };
      signal?.addEventListener('abort', onAbort, { once: true });
      this.#waiting.add(enter);
    });
  }

  /** Hands over to the next in line without letting go, so that nobody gets in between. */
  #release(): void {
    for (const enter of this.#waiting) {
      this.#waiting.delete(enter);
      enter();
      return;
    }
    this.#isHeld = false;
  }

  #fullError(): GridError<BaseErrorCode> {
    return new GridError('BASE_QUEUE_FULL', `${this.#maxWaiting} callers wait for the mutex`, {
      retryable: true,
      details: { maxWaiting: this.#maxWaiting },
    });
  }
}
