import { contractIdOf, workloadParts } from '@commongrid/model';
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

/** An open lock that is about to lapse is of no use: paying and placing take a moment. */
const lapseMarginMs = 10_000;

/** Locks and slices by contract, as of one look: going through all of them once serves all contracts. */
export class JournalIndex {
  readonly #fold: GridFold;
  readonly #at: number;
  #locks: ReadonlyMap<ContractId, readonly Lock[]> | undefined;
  #slices: ReadonlyMap<ContractId, readonly RecordOf<'grid.slice.1'>[]> | undefined;
  #successors: ReadonlyMap<ContractId, readonly ContractId[]> | undefined;

  /** @param at log time, ms since 1970 */
  constructor(fold: GridFold, at: number) {
    this.#fold = fold;
    this.#at = at;
  }

  of(contract: ContractId): ContractJournal {
    this.#locks ??= Map.groupBy(this.#fold.objects('grid.lock.1'), (one) => one.contract);
    this.#slices ??= Map.groupBy(this.#fold.objects('grid.slice.1'), (one) => one.contract);
    const usable = (this.#locks.get(contract) ?? []).filter((lock) => this.#isUsable(lock));
    const sorted = usable.toSorted(
      (a, b) => this.#isPaid(b) - this.#isPaid(a) || (a.id < b.id ? -1 : 1),
    );
    const next = (this.#fold.current('grid.placement.1', contract)?.revision ?? 0) + 1;
    const slices = new Map<WorkloadId, number>();
    const told = new Map<string, NodeId[]>();
    for (const { workload, node, revision } of this.#slices.get(contract) ?? []) {
      slices.set(workload, Math.max(revision, slices.get(workload) ?? 0));
      if (revision !== next) continue;
      const slot = slotKey(workloadParts(workload));
      told.set(slot, [...(told.get(slot) ?? []), node].toSorted());
    }
    return { locks: Map.groupBy(sorted, ({ slot }) => slotKey(slot)), told, slices };
  }

  /** Contracts that want to take the place of one. */
  successorsOf(contract: ContractId): readonly ContractId[] {
    this.#successors ??= successorsIn(this.#fold);
    return this.#successors.get(contract) ?? [];
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

function successorsIn(fold: GridFold): ReadonlyMap<ContractId, readonly ContractId[]> {
  const all = new Map<ContractId, ContractId[]>();
  for (const header of fold.objects('grid.contract.1')) {
    const { replaces } = header;
    if (replaces !== undefined)
      all.set(replaces, [...(all.get(replaces) ?? []), contractIdOf(header)]);
  }
  return all;
}
