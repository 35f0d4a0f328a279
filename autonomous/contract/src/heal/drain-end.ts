import { drainOverlapMs, isHalted, mayOverlap, placeOf, workloadIdOf } from '@commongrid/model';
import type { ContractId, GridFold, Placement, PlacementItem } from '@commongrid/model';
import { isWell } from './node-word.ts';

/**
 * The placement, once more, by which a node that drains ends what ran on beside its successors: due once all
 * that the newest placement moved is well. Undefined where nothing runs on, is not to end yet, or ends by time
 * alone, since nothing of the contract may be placed.
 * @param at log time, ms since 1970
 */
export function drainEnd(
  fold: GridFold,
  contract: ContractId,
  at: number,
): Pick<Placement, 'items' | 'reason'> | undefined {
  const placement = fold.current('grid.placement.1', contract);
  const state = fold.contract(contract);
  const now = { seq: Number.MAX_SAFE_INTEGER, at };
  if (state === undefined || isHalted(fold, state, now)) return undefined;
  const moved = overlapping(fold, contract, at);
  const isDue = moved.length > 0 && moved.every((item) => isWell(fold, contract, item));
  return isDue ? placement : undefined;
}

/** Whether the next placement would end what still runs beside a successor that is not well yet. */
export function isHandingOver(fold: GridFold, contract: ContractId, at: number): boolean {
  return overlapping(fold, contract, at).some((item) => !isWell(fold, contract, item));
}

/** What the newest placement moved off a node that drains, and still may run there until the next one. */
function overlapping(fold: GridFold, contract: ContractId, at: number): readonly PlacementItem[] {
  const placement = fold.current('grid.placement.1', contract);
  if (placement?.reason !== 'drain') return [];
  return placement.items.filter(({ role, replica, slice }) => {
    const state = fold.workload(workloadIdOf(contract, role, replica));
    const opening = fold.slice(slice)?.opening;
    const place = placeOf(state);
    const isMoved = place?.from === placement.revision && (state?.places.length ?? 0) > 1;
    const isInTime = isMoved && at < place.moment.at + drainOverlapMs;
    return isInTime && opening !== undefined && mayOverlap(opening.role);
  });
}
