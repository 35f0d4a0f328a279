import { drainOverlapMs, mayOverlap, placeOf, workloadIdOf } from '@commongrid/model';
import type { ContractId, GridFold, Placement, PlacementItem } from '@commongrid/model';
import { isWell } from './node-word.ts';

/**
 * The placement, once more, by which a node that drains ends what ran on beside its successors: due once all
 * that the newest placement moved is well. Undefined where nothing runs on, or is not to end yet.
 */
export function drainEnd(
  fold: GridFold,
  contract: ContractId,
): Pick<Placement, 'items' | 'reason'> | undefined {
  const placement = fold.current('grid.placement.1', contract);
  const moved = overlapping(fold, contract);
  const isDue = moved.length > 0 && moved.every((item) => isWell(fold, contract, item));
  return isDue ? placement : undefined;
}

/** Whether the next placement would end what still runs beside a successor that is not well yet. */
export function isHandingOver(fold: GridFold, contract: ContractId, at: number): boolean {
  return overlapping(fold, contract).some((item) => {
    const place = placeOf(fold.workload(workloadIdOf(contract, item.role, item.replica)));
    const isInTime = place !== undefined && at < place.moment.at + drainOverlapMs;
    return isInTime && !isWell(fold, contract, item);
  });
}

/** What the newest placement moved off a node that drains, and may run there until the next one. */
function overlapping(fold: GridFold, contract: ContractId): readonly PlacementItem[] {
  const placement = fold.current('grid.placement.1', contract);
  if (placement?.reason !== 'drain') return [];
  return placement.items.filter(({ role, replica, slice }) => {
    const state = fold.workload(workloadIdOf(contract, role, replica));
    const opening = fold.slice(slice)?.opening;
    const isMoved = placeOf(state)?.from === placement.revision && (state?.places.length ?? 0) > 1;
    return isMoved && opening !== undefined && mayOverlap(opening.role);
  });
}
