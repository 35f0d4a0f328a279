import { delay, isGridError, systemClock, throwIfAborted, withTimeout } from '@commongrid/base';
import type { Clock, GridError, Timer } from '@commongrid/base';
import type { SigningKey } from '@commongrid/crypto';
import type { KeyText, Lease, LeaseName } from '@commongrid/model';
import { renewal } from './renewal.ts';
import { unknownEpoch } from './signed-message.ts';

/** What a holder needs of the database, here or over a network. */
export interface LeaseDoor {
  /** The newest logged version of a lease; undefined when it never was. */
  current(name: LeaseName, signal: AbortSignal | undefined): Promise<Lease | undefined>;
  /** Appends a lease, signed by its holder; resolves once it is durable. */
  write(lease: Lease, signal: AbortSignal | undefined): Promise<unknown>;
  /** Sends a signed renewal; resolves once the sequencer has taken it. */
  renew(message: Uint8Array, signal: AbortSignal | undefined): Promise<unknown>;
}

export interface LeaseHolderOptions {
  readonly door: LeaseDoor;
  readonly key: SigningKey;
  /** Hash of the genesis, base64url. */
  readonly log: string;
  readonly name: LeaseName;
  /** How long a silent holder keeps others out, ms; 1000 to 3,600,000. */
  readonly ttlMs: number;
  readonly clock?: Clock;
  /** Ends the wait for the lease; not the lease. */
  readonly signal?: AbortSignal;
}

/**
 * Holds a lease. It may act until 0.6 ttl after it *sent* the last renewal that the sequencer has taken;
 * the sequencer lets nobody else in until a whole ttl after it came in. So there is time between one
 * holder and the next, however long an answer was under way, and also when this process was stopped
 * and goes on.
 *
 * What is begun while `isHeld()` can end after somebody else began: whatever is changed elsewhere has
 * to carry the fence, and to be refused there when it is not the newest.
 */
export class LeaseHolder implements AsyncDisposable {
  readonly fence: number;
  readonly #options: LeaseHolderOptions;
  readonly #lease: Lease;
  readonly #clock: Clock;
  readonly #lost = new AbortController();
  #heldUntilMs: number;
  #renewing: Promise<void> | undefined;
  #timer: Timer | undefined;
  #epoch = unknownEpoch;
  #counter = 0;

  private constructor(options: LeaseHolderOptions, lease: Lease, sentAtMs: number) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#lease = lease;
    this.fence = lease.fence;
    this.#heldUntilMs = sentAtMs + heldShare * lease.ttlMs;
  }

  /**
   * Takes the lease, waiting for it while another has it.
   * @throws BASE_ABORTED, BCDB_DENIED, BCDB_RULE_BROKEN, and what the door throws
   */
  static async acquire(options: LeaseHolderOptions): Promise<LeaseHolder> {
    const { door, key, name, ttlMs, clock = systemClock, signal } = options;
    const holder = key.publicKey.text as KeyText;
    for (;;) {
      throwIfAborted(signal);
      const former = await door.current(name, signal);
      const lease: Lease = { name, holder, fence: (former?.fence ?? 0) + 1, ttlMs };
      const sentAtMs = clock.monotonicMs();
      const refused = await refusalOf(door.write(lease, signal));
      if (refused === undefined) {
        const held = new LeaseHolder(options, lease, sentAtMs);
        // After that the answer came too late to act by: somebody else may be let in soon.
        if (held.#begin()) return held;
        continue;
      }
      await delay(pauseAfter(refused), { clock, signal });
    }
  }

  /** Fires when the lease is not held any more, for whatever reason. */
  get signal(): AbortSignal {
    return this.#lost.signal;
  }

  /** Whether the holder may act now. Once false, it stays so. */
  isHeld(): boolean {
    if (this.#clock.monotonicMs() >= this.#heldUntilMs) this.#lose();
    return !this.signal.aborted;
  }

  /**
   * Stops acting and lets others in at once.
   * @throws what the door throws: others have to wait for the ttl then
   */
  async release(): Promise<void> {
    const wasHeld = this.isHeld();
    await this.close();
    if (wasHeld) await this.#options.door.write({ ...this.#lease, isReleased: true }, undefined);
  }

  /** Stops acting, and renewing; others have to wait for the ttl. Idempotent. */
  async close(): Promise<void> {
    this.#lose();
    await this.#renewing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Whether there is anything to hold still. */
  #begin(): boolean {
    if (!this.isHeld()) return false;
    this.#watchEnd();
    this.#renewing = this.#renewUntilLost();
    return true;
  }

  #lose(): void {
    this.#timer?.cancel();
    this.#lost.abort();
  }

  /** Ends the lease at its time, though nobody asks. */
  #watchEnd(): void {
    this.#timer?.cancel();
    if (this.signal.aborted) return;
    const leftMs = Math.max(0, this.#heldUntilMs - this.#clock.monotonicMs());
    this.#timer = this.#clock.setTimer(leftMs, () => {
      if (this.isHeld()) this.#watchEnd();
    });
  }

  async #renewUntilLost(): Promise<void> {
    const everyMs = renewShare * this.#lease.ttlMs;
    while (this.isHeld()) {
      // The sequencer may have begun anew since: then it says so, once.
      if (await this.#renew(everyMs)) await this.#renew(everyMs);
      await this.#pause(everyMs);
    }
  }

  /**
   * Renews, or fails to: the next renewal makes up for it, or the lease ends. Whether it is to be tried
   * again at once, for another run of the sequencer.
   */
  async #renew(timeoutMs: number): Promise<boolean> {
    const { name, ttlMs } = this.#lease;
    const sentAtMs = this.#clock.monotonicMs();
    try {
      await withTimeout((signal) => this.#send(signal), {
        what: `a renewal of ${name}`,
        timeoutMs,
        clock: this.#clock,
        signal: this.signal,
      });
    } catch (error) {
      if (isGridError(error, 'BCDB_LEASE_LOST')) this.#lose();
      return isGridError(error, 'BCDB_EPOCH_OVER') && this.#learnEpoch(error);
    }
    if (this.isHeld()) {
      this.#heldUntilMs = Math.max(this.#heldUntilMs, sentAtMs + heldShare * ttlMs);
    }
    return false;
  }

  async #send(signal: AbortSignal): Promise<void> {
    const { door, key, log } = this.#options;
    const { name, fence } = this.#lease;
    const counter = ++this.#counter;
    await door.renew(renewal.sign(key, { log, name, fence, epoch: this.#epoch, counter }), signal);
  }

  async #pause(ms: number): Promise<void> {
    try {
      await delay(ms, { clock: this.#clock, signal: this.signal });
    } catch (error) {
      if (!isGridError(error, 'BASE_ABORTED')) throw error;
    }
  }

  /** Whether the sequencer named another epoch than the one that was tried. */
  #learnEpoch({ details }: GridError): boolean {
    const { epoch } = details;
    if (typeof epoch !== 'string' || epoch === this.#epoch || epoch.length !== this.#epoch.length) {
      return false;
    }
    this.#epoch = epoch;
    return true;
  }
}

/** How much of the ttl a holder acts for after a renewal, and how soon it renews again. */
const heldShare = 0.6;
const renewShare = 0.2;

/** Pause before the lease is read again, when somebody else was quicker, ms. */
const retryAfterMs = 50;

/** Longest pause between two tries: a holder can let go before its time. */
const pauseMaxMs = 1000;

function pauseAfter({ code, details }: GridError): number {
  const remainingMs = code === 'BCDB_LEASE_HELD' ? Number(details['remainingMs']) : retryAfterMs;
  return Math.max(1, Math.min(pauseMaxMs, remainingMs));
}

/** Why a lease is another's for now; undefined once it was written. Other errors are thrown. */
async function refusalOf(written: Promise<unknown>): Promise<GridError | undefined> {
  try {
    await written;
    return undefined;
  } catch (error) {
    if (isGridError(error) && isOfAnother(error)) return error;
    throw error;
  }
}

function isOfAnother({ code, details }: GridError): boolean {
  if (code === 'BCDB_LEASE_HELD' || code === 'BCDB_CONFLICT') return true;
  return code === 'BCDB_RULE_BROKEN' && details['rule'] === 'LEASE_FENCE';
}
