import { abortError, systemClock, throwIfAborted } from '@commongrid/base';
import type { Clock, GridError } from '@commongrid/base';

/** A borrower may have so many times what is left for others: one alone three quarters of all. */
const shareOfFree = 3;

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
  readonly borrower: string | undefined;
  readonly settle: (loan: CreditLoan) => void;
}

/**
 * Bytes of memory that may be in use, lent to whoever asks, in the order of asking. What is larger
 * than all there is gets all there is, so that nobody waits for ever.
 *
 * Borrowers that are named share: one that has something gets more only while it then has at most three
 * times what is left. However much one wants, and however slowly it gives back, there is room for others;
 * and n of them that want all have equal parts of it. (Dynamic thresholds: Choudhury and Hahne, IEEE/ACM
 * Transactions on Networking 6(2), 1998.)
 */
export class Credit {
  readonly totalBytes: number;
  readonly #options: CreditOptions;
  readonly #waiting = new Set<Waiting>();
  /** What borrowers have that are named. */
  readonly #lent = new Map<string, number>();
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
  tryTake(bytes: number, keepBytes = 0, borrower?: string): CreditLoan | undefined {
    const wanted = Math.min(bytes, this.totalBytes);
    if (this.#freeBytes - wanted < keepBytes || this.#isOverShare(wanted, borrower)) {
      return undefined;
    }
    for (const each of this.#waiting) {
      if (!this.#isOverShare(each.bytes, each.borrower)) return undefined;
    }
    return this.#lend(wanted, borrower);
  }

  /**
   * @param waitMs default: that of all
   * @throws the refusal, when there was none in time; BASE_ABORTED
   */
  take(
    bytes: number,
    signal?: AbortSignal,
    borrower?: string,
    waitMs = this.#options.waitMs,
  ): Promise<CreditLoan> {
    throwIfAborted(signal);
    const loan = this.tryTake(bytes, 0, borrower);
    if (loan !== undefined) return Promise.resolve(loan);
    return this.#wait({ bytes: Math.min(bytes, this.totalBytes), borrower }, waitMs, signal);
  }

  #isOverShare(bytes: number, borrower: string | undefined): boolean {
    const lent = borrower === undefined ? undefined : this.#lent.get(borrower);
    return lent !== undefined && lent + bytes > shareOfFree * (this.#freeBytes - bytes);
  }

  #wait(
    asked: Omit<Waiting, 'settle'>,
    waitMs: number,
    signal: AbortSignal | undefined,
  ): Promise<CreditLoan> {
    const { clock = systemClock, refusal } = this.#options;
    return new Promise((resolve, reject) => {
      const leave = (): void => {
        timer.cancel();
        signal?.removeEventListener('abort', onAbort);
        this.#waiting.delete(waiting);
      };
      const waiting: Waiting = {
        ...asked,
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

  #lend(bytes: number, borrower: string | undefined): CreditLoan {
    this.#count(bytes, borrower);
    return new CreditLoan(bytes, (back) => {
      this.#count(-back, borrower);
      this.#serve();
    });
  }

  #count(bytes: number, borrower: string | undefined): void {
    this.#freeBytes -= bytes;
    if (borrower === undefined) return;
    const lent = (this.#lent.get(borrower) ?? 0) + bytes;
    if (lent === 0) this.#lent.delete(borrower);
    else this.#lent.set(borrower, lent);
  }

  /** Who has more than its share is passed by others; nobody passes who waits for bytes to be free. */
  #serve(): void {
    for (const waiting of this.#waiting) {
      const { bytes, borrower } = waiting;
      if (this.#isOverShare(bytes, borrower)) continue;
      if (bytes > this.#freeBytes) return;
      waiting.settle(this.#lend(bytes, borrower));
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

  /** Takes over what another loan of the same borrower has. */
  join(other: CreditLoan): void {
    this.#bytes += other.#bytes;
    other.#bytes = 0;
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
