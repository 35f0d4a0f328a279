import { AuthPace, delay } from '@commongrid/base';
import type { Clock } from '@commongrid/base';

/** Refusals that are held back at one time; beyond it they are given at once. */
const heldRefusalsMax = 256;

/**
 * Slows who fails to say who he is. What is right is answered at once: a token has 256 random bits
 * and is not guessed; the pause only keeps failures from being a load.
 */
export class HeldRefusals {
  readonly #clock: Clock;
  readonly #pace: AuthPace;
  #held = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#pace = new AuthPace(clock);
  }

  /** Counts a failure and waits before it may be told. @throws BASE_ABORTED */
  async hold(address: string, signal?: AbortSignal): Promise<void> {
    this.#pace.failed(address);
    const pauseMs = this.#pace.pauseMs(address);
    if (pauseMs === 0 || this.#held >= heldRefusalsMax) return;
    this.#held++;
    try {
      await delay(pauseMs, { signal, clock: this.#clock });
    } finally {
      this.#held--;
    }
  }
}
