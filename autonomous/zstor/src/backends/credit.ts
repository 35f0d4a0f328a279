import { abortError, systemClock, throwIfAborted } from '@commongrid/base';
import type { Clock, GridError } from '@commongrid/base';

export interface CreditOptions {
  /** Bytes that are lent at a time, to all together. */
  readonly totalBytes: number;
  /** How long one waits in line. */
  readonly waitMs: number;
  /** Made when the wait is over in vain. */
  readonly refusal: () => GridError;
  readonly clock?: Clock;
}

interface Waiting {
  readonly bytes: number;
  readonly settle: (loan: CreditLoan) => void;
}

/**
 * Bytes of memory that may be in use, lent to whoever asks, in the order of asking. What is larger
 * than all there is gets all there is, so that nobody waits for ever.
 */
export class Credit {
  readonly totalBytes: number;
  readonly #options: CreditOptions;
  readonly #waiting = new Set<Waiting>();
  #freeBytes: number;

  constructor(options: CreditOptions) {
    this.#options = options;
    this.totalBytes = options.totalBytes;
    this.#freeBytes = options.totalBytes;
  }

  get freeBytes(): number {
    return this.#freeBytes;
  }

  /** Whether somebody stands in line. */
  get isShort(): boolean {
    return this.#waiting.size > 0;
  }

  /** At once, and only while so much stays for others. */
  tryTake(bytes: number, keepBytes = 0): CreditLoan | undefined {
    const wanted = Math.min(bytes, this.totalBytes);
    if (this.#waiting.size > 0 || this.#freeBytes - wanted < keepBytes) return undefined;
    return this.#lend(wanted);
  }

  /** @throws the refusal, when there was none in time; BASE_ABORTED */
  take(bytes: number, signal?: AbortSignal): Promise<CreditLoan> {
    throwIfAborted(signal);
    const loan = this.tryTake(bytes);
    return loan === undefined
      ? this.#wait(Math.min(bytes, this.totalBytes), signal)
      : Promise.resolve(loan);
  }

  #wait(bytes: number, signal: AbortSignal | undefined): Promise<CreditLoan> {
    const { clock = systemClock, waitMs, refusal } = this.#options;
    return new Promise((resolve, reject) => {
      const leave = (): void => {
        timer.cancel();
        signal?.removeEventListener('abort', onAbort);
        this.#waiting.delete(waiting);
      };
      const waiting: Waiting = {
        bytes,
        settle: (loan) => {
          leave();
          resolve(loan);
        },
      };
      const giveUp = (error: GridError): void => {
        leave();
        reject(error);
        // Who stood behind may need less.
        this.#serve();
      };
      const onAbort = (): void => {
        if (signal !== undefined) giveUp(abortError(signal));
      };
      const timer = clock.setTimer(waitMs, () => giveUp(refusal()));
      signal?.addEventListener('abort', onAbort, { once: true });
      this.#waiting.add(waiting);
    });
  }

  #lend(bytes: number): CreditLoan {
    this.#freeBytes -= bytes;
    return new CreditLoan(bytes, (back) => {
      this.#freeBytes += back;
      this.#serve();
    });
  }

  #serve(): void {
    for (const waiting of this.#waiting) {
      if (waiting.bytes > this.#freeBytes) return;
      waiting.settle(this.#lend(waiting.bytes));
    }
  }
}

/** What somebody has; it goes back in parts or whole. */
export class CreditLoan {
  readonly #giveBack: (bytes: number) => void;
  #bytes: number;

  constructor(bytes: number, giveBack: (bytes: number) => void) {
    this.#bytes = bytes;
    this.#giveBack = giveBack;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Keeps so much of it at most. */
  shrinkTo(bytes: number): void {
    const back = this.#bytes - bytes;
    if (back <= 0) return;
    this.#bytes = bytes;
    this.#giveBack(back);
  }

  /** Idempotent. */
  release(): void {
    this.shrinkTo(0);
  }
}
