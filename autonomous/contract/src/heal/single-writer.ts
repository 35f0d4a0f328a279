import { startViewAgeSecondsMax, workloadIdOf } from '@commongrid/model';
import type { ContractId, GridFold, NodeId } from '@commongrid/model';
import type { Unit } from '../plan/units.ts';
import type { NodeOutlook } from './node-watch.ts';

/** What ended does not begin again there, once the log has it there no more. */
const endPhases: ReadonlySet<string> = new Set(['stopped', 'deleted']);

/** Whether two of it must never run at once, though its data are not bound to a node. */
export function isSingleWriter({ roles }: Unit): boolean {
  return roles.some(({ onIsolation }) => onIsolation === 'stop');
}

/** A node starts nothing new by an older view, ms: so long after it was withdrawn it does not begin there. */
const neverBeginsMs = 1.1 * 1_000 * startViewAgeSecondsMax + 5_000;
/** Ends that are waited for at a time; beyond it all waits begin anew. */
const waitsMax = 1_000;

/** Since when it is waited for the end of what its node never said anything of. */
export class EndWaits {
  readonly #sinceMs = new Map<string, number>();

  /** How long it is asked for, ms. @param nowMs of the monotonic clock */
  forMs(stay: string, nowMs: number): number {
    if (this.#sinceMs.size >= waitsMax) this.#sinceMs.clear();
    const sinceMs = this.#sinceMs.get(stay) ?? nowMs;
    this.#sinceMs.set(stay, sinceMs);
    return nowMs - sinceMs;
  }
}

export interface EndView {
  readonly contract: ContractId;
  readonly fold: GridFold;
  readonly outlook: (node: NodeId, isBegun: boolean) => NodeOutlook;
  /** Of the monotonic clock. */
  readonly nowMs: number;
  /** Within it a single writer has stopped whose node hears nothing of the log. */
  readonly replaceAfterMs: number;
  readonly waits: EndWaits;
}

/**
 * Whether nothing of a unit that is placed nowhere runs any more: its former node says so, or is lost, or
 * never said anything of it for so long that it neither runs nor will.
 */
export function hasEnded(view: EndView, { roles, replica }: Unit): boolean {
  const { contract, fold, outlook, nowMs, replaceAfterMs, waits } = view;
  return roles.every(({ name }) => {
    const workload = workloadIdOf(contract, name, replica);
    const places = fold.workload(workload)?.places ?? [];
    const last = places.at(-1);
    if (last?.until === undefined || outlook(last.node, true) === 'lost') return true;
    const event = fold.current('grid.event.1', `${last.node}/${workload}`);
    if (event === undefined || event.revision < last.from) {
      const waitedMs = waits.forMs(`${workload} ${last.until}`, nowMs);
      return waitedMs >= Math.max(neverBeginsMs, replaceAfterMs);
    }
    // What it refused it never ran, unless it ran it in an earlier stay.
    const wasOnce = places.filter(({ node }) => node === last.node).length === 1;
    return endPhases.has(event.phase) || (event.phase === 'refused' && wasOnce);
  });
}

/** Nodes on which units of a contract were that are placed nowhere: their end is waited for. */
export function* formerNodes(
  { contract, fold }: Pick<EndView, 'contract' | 'fold'>,
  units: readonly Unit[],
): Generator<NodeId> {
  for (const unit of units) {
    if (!isSingleWriter(unit)) continue;
    for (const { name } of unit.roles) {
      const last = fold.workload(workloadIdOf(contract, name, unit.replica))?.places.at(-1);
      if (last?.until !== undefined) yield last.node;
    }
  }
}
