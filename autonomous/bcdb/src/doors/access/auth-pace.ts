import { delay } from '@commongrid/base';
import type { Clock } from '@commongrid/base';

/** Addresses whose failures are remembered; the one that failed longest ago makes room. */
const paceAddressesMax = 4096;

/** Refusals that are held back at one time; beyond it they are given at once. */
const heldRefusalsMax = 256;

/** Longest time that a refusal is held back. */
const refusalPauseMsMax = 2_000;

/** Failures that slow nobody: tokens get stale. */
const freeFailures = 5;
const firstPauseMs = 100;
/** More are not counted, so that an address is forgiven within two minutes. */
const failuresMax = 11;
/** One failure is forgotten in so much time. */
const forgetMs = 10_000;

interface Failures {
  readonly count: number;
  readonly lastMs: number;
}

/**
 * Slows who fails to say who he is. What is right is answered at once: a token has 256 random bits
 * and is not guessed; the pause only keeps failures from being a load.
 */
export class AuthPace {
  readonly #clock: Clock;
  /** The one that failed longest ago first. */
  readonly #failures = new Map<string, Failures>();
  #held = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Counts a failure and waits before it may be told. @throws BASE_ABORTED */
  async failed(address: string, signal?: AbortSignal): Promise<void> {
    const count = Math.min(failuresMax, this.#countOf(address) + 1);
    this.#remember(address, count);
    if (count <= freeFailures || this.#held >= heldRefusalsMax) return;
    const pauseMs = Math.min(refusalPauseMsMax, firstPauseMs * 2 ** (count - freeFailures - 1));
    this.#held++;
    try {
      await delay(pauseMs, { signal, clock: this.#clock });
    } finally {
      this.#held--;
    }
  }

  #remember(address: string, count: number): void {
    this.#failures.delete(address);
    for (const oldest of this.#failures.keys()) {
      if (this.#failures.size < paceAddressesMax) break;
      this.#failures.delete(oldest);
    }
    this.#failures.set(address, { count, lastMs: this.#clock.monotonicMs() });
  }

  #countOf(address: string): number {
    const failures = this.#failures.get(address);
    if (failures === undefined) return 0;
    const forgotten = Math.floor((this.#clock.monotonicMs() - failures.lastMs) / forgetMs);
    return Math.max(0, failures.count - forgotten);
  }
}
