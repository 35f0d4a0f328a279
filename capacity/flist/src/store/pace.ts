import { delay, systemClock } from '@commongrid/base';
import type { Clock } from '@commongrid/base';

export interface PaceOptions {
  /** Undefined: as fast as it goes. */
  readonly bytesPerSecond?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly clock?: Clock | undefined;
}

/** Holds work that may wait, as a scrub, to so many bytes a second. */
export class Pace {
  readonly #options: PaceOptions;
  #dueMs: number;

  constructor(options: PaceOptions) {
    this.#options = options;
    this.#dueMs = (options.clock ?? systemClock).monotonicMs();
  }

  /**
   * Waits until so many bytes may have been handled.
   * @throws BASE_ABORTED
   */
  async spend(sizeBytes: number): Promise<void> {
    const { bytesPerSecond, signal, clock = systemClock } = this.#options;
    const nowMs = clock.monotonicMs();
    // What was not used earlier is not made up for.
    this.#dueMs = Math.max(this.#dueMs, nowMs);
    if (bytesPerSecond !== undefined) this.#dueMs += (sizeBytes / bytesPerSecond) * 1000;
    await delay(Math.max(0, this.#dueMs - nowMs), { signal, clock });
  }
}
