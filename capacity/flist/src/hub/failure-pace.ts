import { GridError } from '@commongrid/base';

import type { FlistErrorCode } from '../errors.ts';

/** Requests with a wrong signature that an address, or an unknown key, may send in a row. */
const failuresMax = 60;
/** After that, one more in each such time. */
const failureEveryMs = 1_000;
/** Addresses and keys with failures that are remembered; the one that failed longest ago is forgotten. */
const failingMax = 10_000;

interface Failing {
  /** Failures that time has not made good yet. */
  readonly debt: number;
  readonly atMs: number;
}

/** Slows down whoever sends many requests that are not signed as they should be. */
export class FailurePace {
  readonly #max: number;
  readonly #failing = new Map<string, Failing>();

  constructor(max: number = failuresMax) {
    this.#max = max;
  }

  /** @param nowMs of a clock that is never set. @throws HUB_TOO_MANY_FAILURES */
  check(who: string, nowMs: number): void {
    const debt = this.#debtOf(who, nowMs);
    if (debt <= this.#max - 1) return;
    const retryAfterMs = Math.ceil((debt - this.#max + 1) * failureEveryMs);
    throw new GridError<FlistErrorCode>(
      'HUB_TOO_MANY_FAILURES',
      `too many requests of ${who} were not signed as they should be`,
      {
        hint: 'find out why they are refused; one more is looked at each second',
        retryable: true,
        details: { retryAfterMs },
      },
    );
  }

  note(who: string, nowMs: number): void {
    const debt = this.#debtOf(who, nowMs) + 1;
    // At the end: the first of the map is the one that failed longest ago.
    this.#failing.delete(who);
    this.#failing.set(who, { debt, atMs: nowMs });
    for (const first of this.#failing.keys()) {
      const isOver = this.#failing.size > failingMax;
      if (!isOver && this.#debtOf(first, nowMs) > 0) break;
      this.#failing.delete(first);
    }
  }

  get size(): number {
    return this.#failing.size;
  }

  #debtOf(who: string, nowMs: number): number {
    const { debt, atMs } = this.#failing.get(who) ?? { debt: 0, atMs: nowMs };
    return Math.max(0, debt - (nowMs - atMs) / failureEveryMs);
  }
}
