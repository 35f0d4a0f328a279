import { lockOf, workloadIdOf } from '@commongrid/model';
import type { GridObjects, LockId, NodeId, WorkloadId } from '@commongrid/model';

/** Workloads that are placed on a node by a lock whose money is not used up, and their locks. */
export function paidPlacesOn(view: GridObjects, node: NodeId): ReadonlyMap<WorkloadId, LockId> {
  const places = new Map<WorkloadId, LockId>();
  for (const { contract, items } of view.objects('grid.placement.1')) {
    for (const item of items) {
      if (item.node !== node || item.lock === undefined) continue;
      const lock = lockOf(view, { ...item, contract });
      const escrow = lock && view.money('escrow', lock.id);
      if (lock === undefined || escrow?.place === undefined) continue;
      if (escrow.emptySinceMs !== undefined) continue;
      places.set(workloadIdOf(contract, item.role, item.replica), lock.id);
    }
  }
  return places;
}
