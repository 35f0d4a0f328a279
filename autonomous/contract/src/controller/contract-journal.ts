import { workloadParts } from '@commongrid/model';
import type { ContractId, GridFold, NodeId, RecordOf, WorkloadId } from '@commongrid/model';
import { slotKey } from '../plan/units.ts';

export type Lock = RecordOf<'grid.lock.1'>;

/** What the log has of steps that were begun for a contract. */
export interface ContractJournal {
  /** Locks by which a place can still begin, by slot; those that are paid for come first. */
  readonly locks: ReadonlyMap<string, readonly Lock[]>;
  /** Slices of the next revision: nodes that were told already, by slot. */
  readonly told: ReadonlyMap<string, readonly NodeId[]>;
  /** The newest revision that any node was told of each workload. */
  readonly slices: ReadonlyMap<WorkloadId, number>;
}

/** Locks and slices of each contract. */
export interface JournalSource {
  locksOf(contract: ContractId): Iterable<Lock>;
  slicesOf(contract: ContractId): Iterable<RecordOf<'grid.slice.1'>>;
}

/** An open lock that is about to lapse is of no use: paying and placing take a moment. */
const lapseMarginMs = 10_000;

/** What the log has of each contract's steps, as of one look. */
export class JournalIndex {
  readonly #fold: GridFold;
  readonly #at: number;
  readonly #index: JournalSource;

  /** @param at log time, ms since 1970 */
  constructor(fold: GridFold, at: number, index: JournalSource) {
    this.#fold = fold;
    this.#at = at;
    this.#index = index;
  }

  of(contract: ContractId): ContractJournal {
    const locks = [...this.#index.locksOf(contract)];
    const sorted = locks
      .filter((lock) => this.#isUsable(lock))
      .toSorted((a, b) => this.#isPaid(b) - this.#isPaid(a) || (a.id < b.id ? -1 : 1));
    const next = (this.#fold.current('grid.placement.1', contract)?.revision ?? 0) + 1;
    const slices = new Map<WorkloadId, number>();
    const told = new Map<string, NodeId[]>();
    for (const { workload, node, revision } of this.#index.slicesOf(contract)) {
      slices.set(workload, Math.max(revision, slices.get(workload) ?? 0));
      if (revision !== next) continue;
      const slot = slotKey(workloadParts(workload));
      told.set(slot, [...(told.get(slot) ?? []), node].toSorted());
    }
    return { locks: Map.groupBy(sorted, ({ slot }) => slotKey(slot)), told, slices };
  }

  /** A lock serves one stay, which has not begun; one that is paid for waits for it. */
  #isUsable({ id, expiresMs }: Lock): boolean {
    const escrow = this.#fold.money('escrow', id);
    if (escrow === undefined) return this.#at < expiresMs - lapseMarginMs;
    return escrow.isClosed !== true && escrow.place === undefined;
  }

  #isPaid({ id }: Lock): number {
    return Number(this.#fold.money('escrow', id) !== undefined);
  }
}
