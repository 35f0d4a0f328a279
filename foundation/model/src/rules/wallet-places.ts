import type { Contract } from '../records/contract.ts';
import type { Lock } from '../records/lock.ts';
import type { Placement, PlacementItem } from '../records/placement.ts';
import { isWhole } from './grid-view.ts';
import type { GridView } from './grid-view.ts';
import type { Moment } from './identity-state.ts';
import { lockOf } from './lock-rules.ts';
import { freeRoom } from './wallet-room.ts';
import type { EscrowState, RoomState } from './wallet-state.ts';

/** A month of a budget, seconds: 30 days. */
const monthSeconds = 30 * 86_400;

/** Whether the places of a contract that are paid for cost more a month than it allows. */
export function isOverBudget(
  view: GridView,
  { owner, budget }: Contract,
  { contract, items }: Placement,
): boolean {
  if (!isWhole(view)) return false;
  const locks = items.flatMap((item) => lockOf(view, { ...item, contract }) ?? []);
  const paid = locks.filter(({ farmer }) => farmer !== owner);
  const sum = paid.reduce((all, lock) => all + monthlyPrice(lock), 0n);
  return sum > BigInt(budget.perMonth);
}

/** What a lock costs in 30 days of health, smallest units, rounded up. */
export function monthlyPrice({ price }: Pick<Lock, 'price'>): bigint {
  const { amount, perSeconds } = price;
  const [all, per] = [BigInt(amount) * BigInt(monthSeconds), BigInt(perSeconds)];
  return (all + per - 1n) / per;
}

/** Paid places that begin and end with a placement. */
export function* paidPlaces(
  view: GridView,
  { contract, items }: Placement,
  former: Placement | undefined,
  { at }: Moment,
): Generator<EscrowState | RoomState> {
  const kept = new Set(items.map(({ lock }) => lock));
  const rooms = new Map<string, RoomState>();
  for (const { lock: id } of former?.items ?? []) {
    if (id === undefined || kept.has(id)) continue;
    const escrow = view.money('escrow', id);
    const lock = view.current('grid.lock.1', id);
    if (escrow?.place === undefined || lock?.contract !== contract) continue;
    if (escrow.place.untilMs !== undefined) continue;
    yield { ...escrow, place: { ...escrow.place, untilMs: at } };
    for (const room of freeRoom(view, lock, rooms.get(lock.node))) rooms.set(room.id, room);
  }
  for (const item of items) {
    const escrow = paidBy(view, contract, item);
    if (escrow !== undefined && escrow.place === undefined)
      yield { ...escrow, place: { fromMs: at } };
  }
  yield* rooms.values();
}

function paidBy(
  view: GridView,
  contract: Placement['contract'],
  item: PlacementItem,
): EscrowState | undefined {
  const lock = lockOf(view, { ...item, contract });
  return lock === undefined ? undefined : view.money('escrow', lock.id);
}
