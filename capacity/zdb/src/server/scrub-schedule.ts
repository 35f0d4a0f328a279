import type { Clock, Timer } from '@commongrid/base';
import type { Store } from '../engine/store.ts';

/** A start has other things to read first. */
const AFTER_START_MS = 10 * 60_000;
/** Longest time that one timer can wait. */
const TIMER_MS_MAX = 2 ** 31 - 1;

/** Starts a scrub when the last one, of this process or an earlier one, is long enough ago. */
export class ScrubSchedule implements Disposable {
  readonly #store: Store;
  readonly #everyMs: number;
  readonly #clock: Clock;
  #timer: Timer | undefined;

  constructor(store: Store, everyMs: number, clock: Clock) {
    this.#store = store;
    this.#everyMs = everyMs;
    this.#clock = clock;
    if (everyMs > 0) this.#wait(AFTER_START_MS);
  }

  #wait(leastMs: number): void {
    const sinceMs = this.#clock.nowMs() - this.#store.table.scrubbedMs;
    const dueMs = Math.max(leastMs, this.#everyMs - sinceMs);
    this.#timer = this.#clock.setTimer(Math.min(dueMs, TIMER_MS_MAX), () => this.#look());
  }

  #look(): void {
    const { scrubber, table } = this.#store;
    if (this.#clock.nowMs() - table.scrubbedMs >= this.#everyMs) scrubber.start();
    this.#wait(Math.min(this.#everyMs, AFTER_START_MS));
  }

  [Symbol.dispose](): void {
    this.#timer?.cancel();
  }
}
