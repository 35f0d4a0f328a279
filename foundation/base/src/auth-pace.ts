import type { Clock } from './clock.ts';

/** Addresses whose failures are remembered; the one that failed longest ago makes room. */
const paceAddressesMax = 4096;
/** Longest pause of an address that is slowed. */
export const pacePauseMsMax = 2_000;
/** Failures that slow nobody: people mistype, and tokens get stale. */
const freeFailures = 5;
const firstPauseMs = 100;
/** More are not counted, so that an address is forgiven within two minutes. */
const paceFailuresMax = 11;
/** One failure is forgotten in so much time. */
const forgetMs = 10_000;

interface Failures {
  readonly count: number;
  readonly lastMs: number;
}

/** How long those wait who show who they are, by the failures that came from the same address. */
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

  /** Wait so long for what comes from there, ms; 0: not at all. */
  pauseMs(address: string): number {
    if (this.#failures.size === 0) return 0;
    const beyond = this.#countOf(address) - freeFailures;
    return beyond <= 0 ? 0 : Math.min(pacePauseMsMax, firstPauseMs * 2 ** (beyond - 1));
  }

  /** An attempt from there has failed. */
  failed(address: string): void {
    const count = Math.min(paceFailuresMax, this.#countOf(address) + 1);
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
    if (forgotten < failures.count) return failures.count - forgotten;
    this.#failures.delete(address);
    return 0;
  }
}
