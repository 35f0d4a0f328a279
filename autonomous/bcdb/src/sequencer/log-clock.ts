import { GridError } from '@commongrid/base';
import type { Clock } from '@commongrid/base';
import type { BcdbErrorCode } from '../errors.ts';

/** Furthest that the wall clock may move against the monotonic one while running, ms. */
const clockJumpMaxMs = 10_000;

/** Longest that log time may lag behind records, ms. */
export const tickEveryMs = 1000;

/**
 * Time from one tick for the sake of readers to the next where many are due, ms: what concerns them meanwhile
 * shares it.
 */
export const newsEveryMs = 50;

/** So many may follow each other at once after a pause: an order is a few records, each of which waits for the last. */
export const newsBurst = 4;

/**
 * The sequencer's clock: gives the times of ticks. They never go back, and a wall clock that leaps
 * while the process runs stops them until somebody confirms it.
 */
export class LogClock {
  readonly #clock: Clock;
  /** Wall clock less monotonic clock. */
  #offsetMs: number;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#offsetMs = clock.nowMs() - clock.monotonicMs();
  }

  /**
   * Time for a tick after one at `last`, milliseconds since 1970.
   * @throws BCDB_CLOCK_JUMPED
   */
  next(last: number): number {
    const jumpMs = this.#clock.nowMs() - this.#clock.monotonicMs() - this.#offsetMs;
    if (Math.abs(jumpMs) > clockJumpMaxMs) {
      throw new GridError<BcdbErrorCode>(
        'BCDB_CLOCK_JUMPED',
        `the clock leapt by ${Math.round(jumpMs / 1000)} s while the sequencer ran`,
        {
          hint: 'set the clock right; if the new time is right, start the server again',
          details: { jumpMs },
        },
      );
    }
    // Small steps, as of a time service, are followed.
    this.#offsetMs += jumpMs;
    return Math.max(last, Math.floor(this.#clock.nowMs()));
  }

  /** The present time is right, whatever it was before. */
  confirm(): void {
    this.#offsetMs = this.#clock.nowMs() - this.#clock.monotonicMs();
  }
}
