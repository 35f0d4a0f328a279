import { GridError } from '@commongrid/base';
import type { Clock } from '@commongrid/base';
import type { ZstorErrorCode } from '../errors.ts';

/** A head answers for so long after it asked for what a majority then confirmed. */
const leaseMs = 1_000;
/** How often a head without writes asks. */
export const confirmEveryMs = 300;

/**
 * The right to answer: no other head serves while it holds. What counts is when a confirmation was
 * asked for, not when it came: the members may have taken another fence since.
 */
export class Lease {
  readonly #clock: Clock;
  #askedMs = -Infinity;
  #askedAtMs = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** To take before asking, and give to `confirm` when a majority has confirmed. */
  now(): LeaseTime {
    return { monotonicMs: this.#clock.monotonicMs(), nowMs: this.#clock.nowMs() };
  }

  confirm(asked: LeaseTime): void {
    if (asked.monotonicMs <= this.#askedMs) return;
    this.#askedMs = asked.monotonicMs;
    this.#askedAtMs = asked.nowMs;
  }

  /**
   * The wall clock may only make the lease shorter: the monotonic one stands still while a machine
   * sleeps or is moved to another host.
   */
  get isValid(): boolean {
    return (
      this.#clock.monotonicMs() - this.#askedMs < leaseMs &&
      this.#clock.nowMs() - this.#askedAtMs < leaseMs
    );
  }
}

export interface LeaseTime {
  readonly monotonicMs: number;
  readonly nowMs: number;
}

export function notServing(why: string): GridError<ZstorErrorCode> {
  return new GridError('ZSTOR_CATALOG_NOT_SERVING', `this head may not answer: ${why}`, {
    hint: 'ask again in a second, or ask the other head; if it lasts, see which backends are away',
    retryable: true,
  });
}
