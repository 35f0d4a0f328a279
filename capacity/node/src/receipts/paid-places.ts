import { lockOf, withReceipts, workloadIdOf } from '@commongrid/model';
import type { GridObjects, LockId, NodeId, UntoldReceipt, WorkloadId } from '@commongrid/model';

/**
 * Workloads that are placed on a node by a lock whose money is not used up, and their locks.
 * @param untold receipts that the log may not have yet
 */
export function paidPlacesOn(
  view: GridObjects,
  node: NodeId,
  untold: (lock: LockId) => readonly UntoldReceipt[],
): ReadonlyMap<WorkloadId, LockId> {
  const places = new Map<WorkloadId, LockId>();
  for (const { contract, items } of view.objects('grid.placement.1')) {
    for (const item of items) {
      if (item.node !== node || item.lock === undefined) continue;
      const lock = lockOf(view, { ...item, contract });
      const escrow = lock && view.money('escrow', lock.id);
      if (lock === undefined || escrow?.place === undefined) continue;
      const { emptySinceMs } = withReceipts(lock, escrow, untold(lock.id));
      if (emptySinceMs !== undefined) continue;
      places.set(workloadIdOf(contract, item.role, item.replica), lock.id);
    }
  }
  return places;
}
