import type { DatabaseSync } from 'node:sqlite';
import type { LockId, WorkloadId } from '@commongrid/model';
import type { Meter, MeteredReceipt } from './meter.ts';

/** A receipt that the source has not taken yet. */
export interface WaitingReceipt {
  readonly seq: number;
  readonly receipt: MeteredReceipt;
}

/**
 * What is counted for receipts, and receipts that wait: tables of the node's state. Whatever belongs
 * together is written in one transaction, so no second is in two receipts, or in none.
 */
export class ReceiptBook {
  readonly #db: DatabaseSync;
  /** What waits, as it was while the table was in this state. */
  #byLock:
    | { readonly state: string; readonly of: ReadonlyMap<LockId, MeteredReceipt[]> }
    | undefined;

  /** To be called with the tables of `receiptSchema` in place. */
  constructor(db: DatabaseSync) {
    this.#db = db;
  }

  meters(): readonly Meter[] {
    const rows = this.#db.prepare('SELECT meter FROM meter').all();
    return rows.map((row) => JSON.parse(String(row['meter'])) as Meter);
  }

  keep(meter: Meter): void {
    this.#db
      .prepare('INSERT OR REPLACE INTO meter VALUES (?, ?)')
      .run(meter.workload, JSON.stringify(meter));
  }

  /** Keeps a receipt until it is told. */
  add(receipt: MeteredReceipt): void {
    this.#db
      .prepare('INSERT INTO receipt (workload, receipt) VALUES (?, ?)')
      .run(receipt.workload, JSON.stringify(receipt));
  }

  /** Nothing more is counted of a workload. Its receipts stay until they are told. */
  end(workload: WorkloadId): void {
    this.#db.prepare('DELETE FROM meter WHERE workload = ?').run(workload);
  }

  /** Receipts that wait, after a number, the oldest first. */
  waiting(afterSeq: number, limit: number): readonly WaitingReceipt[] {
    const rows = this.#db
      .prepare('SELECT seq, receipt FROM receipt WHERE seq > ? ORDER BY seq LIMIT ?')
      .all(afterSeq, limit);
    return rows.map((row) => ({
      seq: Number(row['seq']),
      receipt: JSON.parse(String(row['receipt'])) as MeteredReceipt,
    }));
  }

  /** Receipts of a lock that wait, the oldest first. */
  waitingFor(lock: LockId): readonly MeteredReceipt[] {
    // Asked for all locks each time that deadlines are looked at.
    const row = this.#db.prepare('SELECT count(*) AS count, max(seq) AS last FROM receipt').get();
    const state = `${String(row?.['count'])}/${String(row?.['last'])}`;
    if (this.#byLock?.state !== state) {
      const receipts = this.waiting(0, Number.MAX_SAFE_INTEGER).map(({ receipt }) => receipt);
      this.#byLock = { state, of: Map.groupBy(receipts, (receipt) => receipt.lock) };
    }
    return this.#byLock.of.get(lock) ?? [];
  }

  /** The source has it, or never will. */
  told(seq: number): void {
    this.#db.prepare('DELETE FROM receipt WHERE seq = ?').run(seq);
  }
}

export const receiptSchema = `
  CREATE TABLE IF NOT EXISTS meter (workload TEXT PRIMARY KEY, meter TEXT NOT NULL) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS receipt (seq INTEGER PRIMARY KEY AUTOINCREMENT,
    workload TEXT NOT NULL, receipt TEXT NOT NULL);`;
