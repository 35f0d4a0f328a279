import type { Clock } from '@commongrid/base';

/** Addresses whose wrong passwords are remembered; the one that failed longest ago makes room. */
const ADDRESSES_MAX = 4096;
/** Longest time that an attempt of a slowed address waits before it is looked at. */
export const ATTEMPT_PAUSE_MS_MAX = 2_000;
/** Wrong passwords that slow nobody: people mistype. */
const FREE_FAILURES = 5;
const FIRST_PAUSE_MS = 100;
/** More are not counted, so that an address is forgiven within two minutes. */
const FAILURES_MAX = 11;
/** One failure is forgotten in so much time. */
const FORGET_MS = 10_000;

interface Failures {
  readonly count: number;
  readonly lastMs: number;
}

/** How long attempts to show a password wait, by the wrong ones that came from the same address. */
export class AuthPace {
  readonly #clock: Clock;
  /** The one that failed longest ago first. */
  readonly #failures = new Map<string, Failures>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get addressCount(): number {
    return this.#failures.size;
  }

  /** Wait so long before an attempt is looked at, right or wrong; 0: look at once. */
  pauseMs(address: string): number {
    if (this.#failures.size === 0) return 0;
    const beyond = this.#countOf(address) - FREE_FAILURES;
    return beyond <= 0 ? 0 : Math.min(ATTEMPT_PAUSE_MS_MAX, FIRST_PAUSE_MS * 2 ** (beyond - 1));
  }

  /** A password was wrong. */
  failed(address: string): void {
    const count = Math.min(FAILURES_MAX, this.#countOf(address) + 1);
    this.#failures.delete(address);
    for (const oldest of this.#failures.keys()) {
      if (this.#failures.size < ADDRESSES_MAX) break;
      this.#failures.delete(oldest);
    }
    this.#failures.set(address, { count, lastMs: this.#clock.monotonicMs() });
  }

  #countOf(address: string): number {
    const failures = this.#failures.get(address);
    if (failures === undefined) return 0;
    const forgotten = Math.floor((this.#clock.monotonicMs() - failures.lastMs) / FORGET_MS);
    if (forgotten < failures.count) return failures.count - forgotten;
    this.#failures.delete(address);
    return 0;
  }
}
