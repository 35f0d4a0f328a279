import type { Clock } from '@commongrid/base';

/**
 * Log time as far as a node knows it: the newest that its source said, and what has passed since by the
 * monotonic clock. It never goes back: what the source said long ago can come late, over a line that
 * was away.
 */
export class LogTime {
  readonly #clock: Clock;
  #saidMs: number;
  /** When that was in force, by the monotonic clock. */
  #knownAtMs: number;
  #isTold = false;
  #lastMs = 0;

  /** @param saidMs what was kept by a process before, ms since 1970 */
  constructor(saidMs: number, clock: Clock) {
    this.#clock = clock;
    this.#saidMs = saidMs;
    this.#knownAtMs = clock.monotonicMs();
  }

  /** Now, ms since 1970: it goes on while the source is away. */
  get ms(): number {
    const ms = Math.floor(this.#saidMs + this.#clock.monotonicMs() - this.#knownAtMs);
    this.#lastMs = Math.max(this.#lastMs, ms);
    return this.#lastMs;
  }

  /** The same, once the source has said it to this process. */
  get toldMs(): number | undefined {
    return this.#isTold ? this.ms : undefined;
  }

  /** The source says it. One that has no news says the same again: time goes on meanwhile. */
  note(saidMs: number): void {
    if (saidMs <= this.#saidMs) return;
    this.#saidMs = saidMs;
    this.#knownAtMs = this.#clock.monotonicMs();
    this.#isTold = true;
  }
}
