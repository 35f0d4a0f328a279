import type { Clock, Random } from '@commongrid/base';

/** How long a challenge can be answered. */
export const challengeMs = 60_000;

/** Challenges that wait for an answer; the oldest one makes room. */
export const challengesMax = 10_000;

/** Challenges that were given out: each is good for one answer, within a minute. */
export class Challenges {
  readonly #clock: Clock;
  readonly #random: Random;
  /** When each one ends, the oldest first. */
  readonly #open = new Map<string, number>();

  constructor(clock: Clock, random: Random) {
    this.#clock = clock;
    this.#random = random;
  }

  /** 32 random bytes, base64url. */
  issue(): string {
    const now = this.#clock.monotonicMs();
    for (const [oldest, endsAt] of this.#open) {
      if (endsAt > now && this.#open.size < challengesMax) break;
      this.#open.delete(oldest);
    }
    const bytes = this.#random.bytes(32);
    const challenge = bytes.toBase64({ alphabet: 'base64url', omitPadding: true });
    this.#open.set(challenge, now + challengeMs);
    return challenge;
  }

  /** Whether it was open; it is not any more. */
  take(challenge: string): boolean {
    const endsAt = this.#open.get(challenge);
    this.#open.delete(challenge);
    return endsAt !== undefined && endsAt > this.#clock.monotonicMs();
  }
}
