import type { Clock, Timer } from '@commongrid/base';

export interface SilenceWatchOptions {
  readonly clock: Clock;
  readonly slowAfterMs: number;
  readonly giveUpAfterMs: number;
  /** A sign came after so long. */
  readonly onSign: (silentMs: number) => void;
  /** No sign came in `slowAfterMs`; once for each silence. */
  readonly onSlow: (waitedMs: number) => void;
  /** No sign came in `giveUpAfterMs`; the watch is over. */
  readonly onGivenUp: () => void;
}

/** Watches how long somebody says nothing, until it is disposed. */
export class SilenceWatch implements Disposable {
  readonly #options: SilenceWatchOptions;
  #lastSignMs: number;
  #timer: Timer;
  #isSlow = false;
  #isHeld = false;
  /** Gave up. */
  hasEnded = false;

  constructor(options: SilenceWatchOptions) {
    this.#options = options;
    this.#lastSignMs = options.clock.monotonicMs();
    this.#timer = this.#arm(Math.min(options.slowAfterMs, options.giveUpAfterMs));
  }

  noteSign(): void {
    const nowMs = this.#options.clock.monotonicMs();
    this.#options.onSign(nowMs - this.#lastSignMs);
    this.#lastSignMs = nowMs;
    this.#isSlow = false;
  }

  /** Does something during which the other cannot give a sign. */
  async hold(work: Promise<unknown>): Promise<void> {
    this.#isHeld = true;
    await work;
    this.#isHeld = false;
    this.#lastSignMs = this.#options.clock.monotonicMs();
  }

  [Symbol.dispose](): void {
    this.#timer.cancel();
  }

  #arm(ms: number): Timer {
    return this.#options.clock.setTimer(ms, () => this.#look());
  }

  /** The timer is not set anew with each sign, of which there are many: it looks when it is due. */
  #look(): void {
    const { clock, slowAfterMs, giveUpAfterMs, onSlow, onGivenUp } = this.#options;
    const silentMs = this.#isHeld ? 0 : clock.monotonicMs() - this.#lastSignMs;
    if (silentMs >= giveUpAfterMs) {
      this.hasEnded = true;
      onGivenUp();
      return;
    }
    const isNews = silentMs >= slowAfterMs && !this.#isSlow;
    if (isNews) this.#isSlow = true;
    const dueMs = this.#isSlow ? giveUpAfterMs : slowAfterMs;
    // Timers are a little early at times: never less than a millisecond.
    this.#timer = this.#arm(Math.max(1, dueMs - silentMs));
    if (isNews) onSlow(silentMs);
  }
}
