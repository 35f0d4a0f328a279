import { delay, systemClock } from '@commongrid/base';
import type { Clock } from '@commongrid/base';

/** Unused budget is kept for so long: work begins at once, and then goes at its rate. */
const burstMs = 1_000;

/** So many bytes a second, for all that asks together. */
export class ByteBudget {
  readonly #bytesPerMs: number;
  readonly #clock: Clock;
  /** Up to this time all bytes are spent. */
  #spentToMs: number;

  constructor(bytesPerSecond: number, clock: Clock = systemClock) {
    this.#bytesPerMs = bytesPerSecond / 1000;
    this.#clock = clock;
    this.#spentToMs = clock.monotonicMs() - burstMs;
  }

  /** Resolves when so many bytes may go. @throws BASE_ABORTED */
  async take(bytes: number, signal?: AbortSignal): Promise<void> {
    const waitMs = this.#spend(bytes);
    if (waitMs > 0) await delay(waitMs, { signal, clock: this.#clock });
  }

  /** They go at once; those who come next wait for it. For who must not wait with what it has. */
  goAtOnce(bytes: number): void {
    this.#spend(bytes);
  }

  /** How long to wait before they go. */
  #spend(bytes: number): number {
    const nowMs = this.#clock.monotonicMs();
    const fromMs = Math.max(this.#spentToMs, nowMs - burstMs);
    this.#spentToMs = fromMs + bytes / this.#bytesPerMs;
    return fromMs - nowMs;
  }
}
