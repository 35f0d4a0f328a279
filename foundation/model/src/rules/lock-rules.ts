import { lockTtlMsMax } from '../records/lock.ts';
import type { Lock } from '../records/lock.ts';
import type { Placement, PlacementItem } from '../records/placement.ts';
import { acceptGrid, farmBehind, knowsNode, refuseGrid } from './grid-view.ts';
import type { GridVerdict, GridView } from './grid-view.ts';
import type { JudgedRecord } from './identity-view.ts';
import { botBehind } from './keys.ts';
import { keepRoom } from './wallet-room.ts';

/**
 * Judges `grid.lock.1`: by the owner of the farm that has the node; once said, it stays as it is. Open
 * locks keep no more than the node has, and few of one buyer stay unpaid.
 */
export function judgeLock(
  view: GridView,
  { obj, value, author, moment }: JudgedRecord<'grid.lock.1'>,
): GridVerdict {
  const { farmer, expiresMs } = value;
  const isFarmer = botBehind(view, author, 'device', moment) === farmer;
  if (!isFarmer || !hasNode(view, value)) return refuseGrid('LOCK_NOT_FARMER');
  if (view.current('grid.lock.1', obj) !== undefined) return refuseGrid('LOCK_FIXED');
  const leftMs = expiresMs - moment.at;
  if (leftMs <= 0 || leftMs > lockTtlMsMax) return refuseGrid('LOCK_TERM');
  const room = keepRoom(view, value, moment.at);
  return room.code === undefined ? acceptGrid(...room.states) : refuseGrid(room.code);
}

/**
 * The lock by which the farm keeps room for this very place: by its owner, for the contract, node, role
 * and replica. It may have lapsed.
 */
export function lockOf(
  view: GridView,
  { contract, role, replica, node, lock: id }: PlacementItem & Pick<Placement, 'contract'>,
): Lock | undefined {
  const lock = view.current('grid.lock.1', id ?? '');
  if (lock === undefined) return undefined;
  const isPlace = lock.slot.role === role && lock.slot.replica === replica && lock.node === node;
  return isPlace && hasNode(view, lock) && lock.contract === contract ? lock : undefined;
}

/** Whether the farm of the node is the farmer's. People are not told who adopted a node. */
function hasNode(view: GridView, { node, farmer }: Lock): boolean {
  return !knowsNode(view, node) || farmBehind(view, node)?.owner === farmer;
}
