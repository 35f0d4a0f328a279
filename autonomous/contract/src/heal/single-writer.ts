import { workloadIdOf } from '@commongrid/model';
import type { ContractId, GridFold, NodeId } from '@commongrid/model';
import type { Unit } from '../plan/units.ts';
import type { NodeOutlook } from './node-watch.ts';

/** What ended does not begin again there, once the log has it there no more. */
const endPhases: ReadonlySet<string> = new Set(['stopped', 'deleted']);

/** Whether two of it must never run at once, though its data are not bound to a node. */
export function isSingleWriter({ roles }: Unit): boolean {
  return roles.some(({ onIsolation }) => onIsolation === 'stop');
}

export interface EndView {
  readonly contract: ContractId;
  readonly fold: GridFold;
  readonly outlook: (node: NodeId, isBegun: boolean) => NodeOutlook;
}

/** Whether nothing of a unit that is placed nowhere runs any more: as its former node says, or that is lost. */
export function hasEnded({ contract, fold, outlook }: EndView, { roles, replica }: Unit): boolean {
  return roles.every(({ name }) => {
    const workload = workloadIdOf(contract, name, replica);
    const places = fold.workload(workload)?.places ?? [];
    const last = places.at(-1);
    if (last?.until === undefined || outlook(last.node, true) === 'lost') return true;
    const event = fold.current('grid.event.1', `${last.node}/${workload}`);
    if (event === undefined || event.revision < last.from) return false;
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
