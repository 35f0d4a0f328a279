import { delay, GridError } from '@commongrid/base';
import type { Clock } from '@commongrid/base';
import type { KeyText, LeaseName, RecordOf } from '@commongrid/model';
import type { HeldLease } from '../../src/index.ts';

const ttlMs = 4_000;
/** How often whoever waits looks again, ms. */
const waitMs = 100;

/** Whoever takes leases, as long as it is there. */
export interface LeaseTaker {
  readonly key: KeyText;
  isDead: boolean;
  isCutOff: boolean;
}

interface Entry {
  readonly taker: LeaseTaker;
  /** By the monotonic clock; a holder that is there renews it. */
  heldUntilMs: number;
  readonly fence: number;
}

/** Leases as a sequencer keeps them. */
export class FakeLeases {
  readonly #clock: Clock;
  readonly #write: (lease: RecordOf<'grid.lease.1'>) => void;
  readonly #entries = new Map<LeaseName, Entry>();

  constructor(clock: Clock, write: (lease: RecordOf<'grid.lease.1'>) => void) {
    this.#clock = clock;
    this.#write = write;
  }

  /** What this holder has is renewed no more. */
  silence(taker: LeaseTaker): void {
    const endMs = this.#clock.monotonicMs() + ttlMs;
    for (const entry of this.#entries.values()) {
      if (entry.taker === taker) entry.heldUntilMs = Math.min(entry.heldUntilMs, endMs);
    }
  }

  async acquire(taker: LeaseTaker, name: LeaseName, signal: AbortSignal): Promise<HeldLease> {
    while ((this.#entries.get(name)?.heldUntilMs ?? 0) > this.#clock.monotonicMs()) {
      await delay(waitMs, { clock: this.#clock, signal });
    }
    if (taker.isDead) throw new GridError('BASE_ABORTED', 'gone');
    const fence = (this.#entries.get(name)?.fence ?? 0) + 1;
    const entry = { taker, heldUntilMs: Infinity, fence };
    this.#entries.set(name, entry);
    this.#write({ name, holder: taker.key, fence, ttlMs });
    const isHeld = (): boolean => {
      return !taker.isDead && !taker.isCutOff && this.#entries.get(name) === entry;
    };
    const letGo = async (): Promise<void> => {
      if (isHeld()) entry.heldUntilMs = this.#clock.monotonicMs();
    };
    return { fence, isHeld, release: letGo, close: letGo };
  }
}
