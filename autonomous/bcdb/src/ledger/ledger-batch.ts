import type { GridError } from '@commongrid/base';
import type { CheckedRecord } from '../record/checked-record.ts';
import type { Effect } from '../state/effect.ts';
import { logRecord } from '../state/fold.ts';
import type { Fold, Verdict } from '../state/fold.ts';
import type { StateView } from '../state/state-view.ts';

/** Records of one batch: what is judged, written and synced together. */
export const batchRecordsMax = 1000;

/** Bytes of leaves and bodies from which on a batch takes no more records. */
export const batchBytesMax = 4 << 20;

/** A run of records under way into the log: each judged on top of those before. */
export class LedgerBatch {
  readonly from: number;
  readonly records: CheckedRecord[] = [];
  readonly effects: Effect[] = [];
  /** Records that are in the log and did nothing, with the reason. */
  readonly refused: { readonly seq: number; readonly reason: GridError }[] = [];
  readonly #fold: Fold;
  readonly #view: StateView;
  #bytes = 0;

  constructor(fold: Fold, view: StateView, from: number) {
    this.#fold = fold;
    this.#view = view;
    this.from = from;
  }

  get nextSeq(): number {
    return this.from + this.records.length;
  }

  get isFull(): boolean {
    return this.records.length >= batchRecordsMax || this.#bytes >= batchBytesMax;
  }

  /** Takes a record in if the rules accept it; otherwise the batch is as before. */
  judge(record: CheckedRecord): Verdict {
    const verdict = this.#fold.judge(logRecord(record, this.nextSeq));
    if (verdict.refusal === undefined) this.#add(record, verdict.effects);
    return verdict;
  }

  /** Takes in a record that is in the log already: one that the rules refuse does nothing. */
  take(record: CheckedRecord): void {
    const seq = this.nextSeq;
    const verdict = this.#fold.judge(logRecord(record, seq));
    if (verdict.refusal === undefined) {
      this.#add(record, verdict.effects);
      return;
    }
    // Going on would make another state than that of the others.
    if (stopping.has(verdict.refusal.code)) throw verdict.refusal;
    this.#view.setException(seq, { refusal: verdict.refusal.code });
    this.#view.takeChanges();
    this.refused.push({ seq, reason: verdict.refusal });
    this.#add(record, []);
  }

  #add(record: CheckedRecord, effects: readonly Effect[]): void {
    this.records.push(record);
    this.effects.push(...effects);
    this.#bytes += record.entry.leaf.length + (record.entry.body?.length ?? 0);
  }
}

/** Refusals that say nothing about the record, but about this fold. */
const stopping: ReadonlySet<string> = new Set([
  'BCDB_ENTRIES_WITHHELD',
  'BCDB_FEEDS_DIFFER',
  'BCDB_STATE_DIFFERS',
  'BCDB_VALIDATOR_UNKNOWN',
]);
