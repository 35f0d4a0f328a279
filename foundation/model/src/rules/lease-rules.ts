import type { GridCode } from '../errors.ts';
import type { ContractId } from '../fields.ts';
import { acceptGrid, isWhole, refuseGrid } from './grid-view.ts';
import type { GridVerdict, GridView } from './grid-view.ts';
import type { JudgedRecord } from './identity-view.ts';

/**
 * Judges `grid.lease.1`. The order of the log is the compare-and-set: a fence is one above the last, so
 * that of two who want the same fence the first one has it. Whoever lets go repeats its record with
 * `isReleased`. Whether the former holder was silent for long enough is not asked here: no replica can
 * know that.
 */
export function judgeLease(
  view: Pick<GridView, 'current' | 'reader'>,
  { author, value }: Pick<JudgedRecord<'grid.lease.1'>, 'author' | 'value'>,
): GridVerdict {
  const { name, holder, fence, ttlMs, isReleased = false } = value;
  if (author !== holder) return refuseGrid('LEASE_NOT_HOLDER');
  const former = view.current('grid.lease.1', name);
  const last = former?.fence ?? 0;
  // A reader may have missed fences, never the newest one that it relies on.
  const isNext = isWhole(view) ? fence === last + 1 : fence > last;
  if (isReleased) {
    const isSame = former?.fence === fence && former.holder === holder && former.ttlMs === ttlMs;
    if (isSame) return former.isReleased === true ? refuseGrid('LEASE_RELEASED') : acceptGrid();
    if (isWhole(view) || !isNext) return refuseGrid('LEASE_NOT_HOLDER');
  }
  if (!isNext) return refuseGrid('LEASE_FENCE');
  const [contract = ''] = name.split('/', 1);
  const controllers = view.current('grid.contract.1', contract)?.controllers;
  if (controllers === undefined) return refuseGrid('LEASE_CONTRACT_UNKNOWN');
  return controllers.includes(holder) ? acceptGrid() : refuseGrid('LEASE_NOT_CONTROLLER');
}

/** Why a key does not act for a whole contract under a fence, or under the newest one. */
export function actorFault(
  view: GridView,
  contract: ContractId,
  author: string,
  fence?: number,
): GridCode | undefined {
  const lease = view.current('grid.lease.1', contract);
  if (fence !== undefined && lease?.fence !== fence) return 'PLACEMENT_FENCE_OLD';
  return lease?.holder === author && lease.isReleased !== true ? undefined : 'CONTRACT_NOT_HOLDER';
}
