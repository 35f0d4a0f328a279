import { lockTtlMsMax } from '../records/lock.ts';
import type { Placement, PlacementItem } from '../records/placement.ts';
import { acceptGrid, farmBehind, refuseGrid } from './grid-view.ts';
import type { GridVerdict, GridView } from './grid-view.ts';
import type { JudgedRecord } from './identity-view.ts';
import { botBehind } from './keys.ts';

/** Judges `grid.lock.1`: by the owner of the farm that has the node; once said, it stays as it is. */
export function judgeLock(
  view: GridView,
  { obj, value, author, moment }: JudgedRecord<'grid.lock.1'>,
): GridVerdict {
  const { node, farmer, expiresMs } = value;
  const isFarmer = botBehind(view, author, 'device', moment) === farmer;
  if (!isFarmer || farmBehind(view, node)?.owner !== farmer) return refuseGrid('LOCK_NOT_FARMER');
  if (view.current('grid.lock.1', obj) !== undefined) return refuseGrid('LOCK_FIXED');
  const leftMs = expiresMs - moment.at;
  return leftMs > 0 && leftMs <= lockTtlMsMax ? acceptGrid() : refuseGrid('LOCK_TERM');
}

/**
 * Whether the farm keeps room for this very place: a lock by its owner for the contract, node, role and
 * replica, that has not lapsed. That an escrow keeps it from lapsing is for the rules of money.
 */
export function hasOpenLock(
  view: GridView,
  { contract, role, replica, node, lock: id }: PlacementItem & Pick<Placement, 'contract'>,
  at: number,
): boolean {
  const lock = view.current('grid.lock.1', id ?? '');
  if (lock === undefined || at >= lock.expiresMs) return false;
  const isPlace = lock.slot.role === role && lock.slot.replica === replica && lock.node === node;
  const isFarmers = farmBehind(view, node)?.owner === lock.farmer;
  return isPlace && isFarmers && lock.contract === contract;
}
