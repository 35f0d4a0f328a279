import type { Clock, GridError } from '@commongrid/base';
import type { Lease } from '@commongrid/model';
import type { BcdbErrorCode } from '../errors.ts';
import type { CheckedRecord } from '../record/checked-record.ts';
import { systemUrls } from '../record/system-records.ts';
import { gridNamespace } from '../state/identities.ts';
import { leaseUrl } from './lease-url.ts';
import { refusal } from '../state/refusal.ts';
import type { Renewal } from './renewal.ts';

/** Leases that are held at one time. */
const heldLeasesMax = 100_000;

/** The newest version of a lease, also while it is on its way to the log. */
export interface LoggedLease {
  readonly seq: number;
  readonly value: Lease;
}

/** What is looked at of a record before it is judged. */
interface AskedRecord extends Pick<CheckedRecord, 'value'> {
  readonly envelope: Pick<CheckedRecord['envelope'], 'ns' | 'url' | 'obj'>;
}

export interface LeaseTableOptions {
  readonly clock: Clock;
  readonly leaseOf: (name: string) => LoggedLease | undefined;
  /** Whether records of a key are taken: its holder did not end it. */
  readonly maySpeak: (key: string) => boolean;
}

/** What the sequencer knows of a lease. */
export interface LeaseStatus {
  readonly lease: Lease;
  /** Time for which no rival is let in, ms; 0 once it is free. */
  readonly remainingMs: number;
}

interface Renewed {
  readonly fence: number;
  readonly ttlMs: number;
  readonly renewedAtMs: number;
  readonly counter: number;
}

/**
 * How long leases were not renewed, by the sequencer's monotonic clock, and so whom it lets in. A lease
 * without a row was renewed too long ago, unless its record is not durable yet.
 */
export class LeaseTable {
  readonly #options: LeaseTableOptions;
  readonly #rows = new Map<string, Renewed>();
  /** Size of the log whose leases the rows know. */
  #size = 0;

  constructor(options: LeaseTableOptions) {
    this.#options = options;
  }

  /** Takes the leases of a log of this size as just renewed. */
  begin(leases: Iterable<Lease>, size: number): void {
    for (const lease of leases) this.#note(lease);
    this.#size = size;
  }

  /** Notes leases that became durable, and the size of the log with them. */
  follow(leases: readonly Lease[], size: number): void {
    for (const lease of leases) this.#note(lease);
    this.#size = size;
  }

  /**
   * Whether a record may be judged now: a lease is taken from nobody who renewed it within its ttl,
   * also not by the same key, which may be that of another process. Undefined lets it in.
   */
  admit({ envelope, value }: AskedRecord): GridError<BcdbErrorCode> | undefined {
    const { ns, url, obj } = envelope;
    if (ns !== gridNamespace) return undefined;
    if (url === systemUrls.proposal) return this.#admitProposal(value);
    if (url !== leaseUrl || (value as Partial<Lease> | undefined)?.isReleased === true) {
      return undefined;
    }
    const remainingMs = this.remainingMs(obj);
    if (remainingMs > 0) {
      return refusal('BCDB_LEASE_HELD', `${obj} is held by another for ${remainingMs} ms more`, {
        hint: 'wait until its holder lets go, or does not renew it for its ttl',
        retryable: true,
        details: { remainingMs },
      });
    }
    if (this.#rows.size >= heldLeasesMax) this.#dropExpired();
    if (this.#rows.size < heldLeasesMax) return undefined;
    return refusal('BCDB_BUSY', `${heldLeasesMax} leases are held`, { retryable: true });
  }

  /**
   * Whether a renewal is of the holder that the log names; before its signature is checked.
   * @returns the key that must have signed it
   * @throws BCDB_LEASE_LOST, BCDB_HEARTBEAT_STALE
   */
  requireHolder({ name, fence, counter }: Renewal): string {
    const lease = this.#options.leaseOf(name)?.value;
    const row = this.#rows.get(name);
    const isHeld = lease?.fence === fence && lease.isReleased !== true && row?.fence === fence;
    if (!isHeld || !this.#options.maySpeak(lease.holder) || this.#remainingMs(row) === 0)
      throw lost(name, fence, lease);
    if (counter <= row.counter) {
      throw refusal('BCDB_HEARTBEAT_STALE', `renewal ${counter} of ${name} came before`, {
        details: { counter: row.counter },
      });
    }
    return lease.holder;
  }

  /** Notes a renewal whose signature was checked. @throws as `requireHolder` */
  renew(renewal: Renewal): void {
    this.requireHolder(renewal);
    const { name, counter } = renewal;
    const row = this.#rows.get(name);
    if (row === undefined) return;
    this.#rows.set(name, { ...row, counter, renewedAtMs: this.#options.clock.monotonicMs() });
  }

  get(name: string): LeaseStatus | undefined {
    const lease = this.#options.leaseOf(name)?.value;
    return lease && { lease, remainingMs: this.remainingMs(name) };
  }

  /** Time for which no rival is let in, whole ms; 0 for a lease that is free. */
  remainingMs(name: string): number {
    const logged = this.#options.leaseOf(name);
    if (logged === undefined || logged.value.isReleased === true) return 0;
    if (this.#isGone(logged.value)) return 0;
    // On its way to the log: its holder may act as soon as it is durable.
    if (logged.seq >= this.#size) return logged.value.ttlMs;
    return this.#remainingMs(this.#rows.get(name));
  }

  /**
   * Whoever holds a whole contract acts through the log alone, which takes nothing by an ended key. What
   * holds a role may act elsewhere for as long as it believes that it has the lease.
   */
  #isGone({ name, holder }: Lease): boolean {
    return !name.includes('/') && !this.#options.maySpeak(holder);
  }

  #remainingMs(row: Renewed | undefined): number {
    if (row === undefined) return 0;
    const silentMs = this.#options.clock.monotonicMs() - row.renewedAtMs;
    return Math.max(0, Math.ceil(row.ttlMs - silentMs));
  }

  #note({ name, fence, ttlMs, isReleased }: Lease): void {
    const row = { fence, ttlMs, renewedAtMs: this.#options.clock.monotonicMs(), counter: 0 };
    if (isReleased === true) this.#rows.delete(name);
    else this.#rows.set(name, row);
  }

  #dropExpired(): void {
    for (const [name, row] of this.#rows) {
      if (this.#remainingMs(row) === 0) this.#rows.delete(name);
    }
  }

  /** Votes are not looked at here, so that a lease among them would go past the time to wait. */
  #admitProposal(value: unknown): GridError<BcdbErrorCode> | undefined {
    if ((value as { readonly url?: unknown } | undefined)?.url !== leaseUrl) return undefined;
    return refusal('BCDB_RULE_BROKEN', 'a lease is taken by its holder, not proposed', {
      details: { rule: 'LEASE_NOT_HOLDER' },
    });
  }
}

function lost(name: string, fence: number, lease: Lease | undefined): GridError<BcdbErrorCode> {
  return refusal('BCDB_LEASE_LOST', `${name} is not held under fence ${fence} any more`, {
    hint: 'stop acting, then take the lease under the next fence',
    details: { fence: lease?.fence, isReleased: lease?.isReleased === true },
  });
}
