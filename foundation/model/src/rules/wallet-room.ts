import type { GridCode } from '../errors.ts';
import type { Resources } from '../records/contract-role.ts';
import type { Lock } from '../records/lock.ts';
import { farmBehind, isWhole, knowsNode } from './grid-view.ts';
import type { GridView } from './grid-view.ts';
import { nodeLocksMax } from './wallet-state.ts';
import type { AddressesState, OfferState, RoomState } from './wallet-state.ts';

/** Contracts for which a farm keeps room for one buyer who has not paid yet. */
const unfundedContractsMax = 3;

export type RoomVerdict =
  | {
      readonly states: readonly (RoomState | OfferState | AddressesState)[];
      readonly code?: undefined;
    }
  | { readonly code: GridCode };

/**
 * Keeps room for a new lock: no more than the node has, no more public addresses than its farm, and not
 * for ever more unpaid contracts.
 */
export function keepRoom(view: GridView, lock: Lock, at: number): RoomVerdict {
  const { id, node, contract, resources, expiresMs } = lock;
  const kept = (view.money('room', node)?.locks ?? []).filter((one) => isOpenAt(one, at));
  if (knowsNode(view, node)) {
    const capacity = view.current('grid.node.1', node)?.capacity;
    const wanted = [...kept.map((one) => one.resources), resources];
    const isOver = (name: 'cpuMilli' | 'memoryBytes' | 'ssdBytes' | 'hddBytes'): boolean =>
      sumOf(wanted, name) > BigInt(capacity?.[name] ?? 0);
    if (isOver('cpuMilli') || isOver('memoryBytes') || isOver('ssdBytes') || isOver('hddBytes')) {
      return { code: 'LOCK_CAPACITY' };
    }
    if (kept.length >= nodeLocksMax) return { code: 'LOCK_CAPACITY' };
  }
  const addresses = keepAddresses(view, lock, at);
  if (addresses.code !== undefined) return addresses;
  const offerId = offerIdOf(view, lock);
  const open = (view.money('offer', offerId)?.locks ?? []).filter((one) => isOpenAt(one, at));
  const contracts = new Set([...open.map((one) => one.contract), contract]);
  if (isWhole(view) && contracts.size > unfundedContractsMax) return { code: 'LOCK_UNPAID' };
  return {
    states: [
      { kind: 'room', id: node, locks: [...kept, { id, resources, expiresMs }] },
      { kind: 'offer', id: offerId, locks: [...open, { id, contract, expiresMs }] },
      ...addresses.states,
    ],
  };
}

/** What each lock keeps is kept until the node's room no longer names it: nothing gives it back twice. */
function keepAddresses(
  view: GridView,
  { id, node, resources: { ipv4 } }: Lock,
  at: number,
):
  | { readonly states: readonly AddressesState[]; readonly code?: undefined }
  | { readonly code: GridCode } {
  const farm = view.current('grid.farm.1', farmBehind(view, node)?.id ?? '');
  // Those of other nodes only who has every record knows.
  if (ipv4 === 0 || !isWhole(view)) return { states: [] };
  const all = view.money('addresses', farm?.id ?? '')?.locks ?? [];
  const kept = all.filter((one) => {
    const room = view.money('room', one.node)?.locks.find((open) => open.id === one.id);
    return room !== undefined && isOpenAt(room, at);
  });
  const used = kept.reduce((sum, one) => sum + one.ipv4, ipv4);
  const has = farm?.publicIps.filter((ip) => !ip.includes(':')).length ?? 0;
  if (farm === undefined || used > has) return { code: 'LOCK_ADDRESSES' };
  return {
    states: [{ kind: 'addresses', id: farm.id, locks: [...kept, { id, node, ipv4 }] }],
  };
}

/** A lock that was funded no longer lapses. */
export function fundRoom(view: GridView, lock: Lock): readonly (RoomState | OfferState)[] {
  const room = view.money('room', lock.node);
  const offer = view.money('offer', offerIdOf(view, lock));
  return [
    ...(room === undefined ? [] : [{ ...room, locks: room.locks.map(fundOne) }]),
    ...(offer === undefined ? [] : [{ ...offer, locks: others(offer.locks, lock) }]),
  ];
  function fundOne(one: RoomState['locks'][number]): RoomState['locks'][number] {
    return one.id === lock.id ? { id: one.id, resources: one.resources } : one;
  }
}

/** Gives room back once nothing can run by these locks of a node any more. */
export function freeRoom(view: GridView, lock: Lock, room?: RoomState): readonly RoomState[] {
  const known = room ?? view.money('room', lock.node);
  return known === undefined ? [] : [{ ...known, locks: others(known.locks, lock) }];
}

function others<One extends { readonly id: string }>(all: readonly One[], { id }: Lock): One[] {
  return all.filter((one) => one.id !== id);
}

function isOpenAt({ expiresMs }: { readonly expiresMs?: number }, at: number): boolean {
  return expiresMs === undefined || at < expiresMs;
}

function sumOf(all: readonly Resources[], name: Exclude<keyof Resources, 'ipv4'>): bigint {
  return all.reduce((sum, one) => sum + BigInt(one[name]), 0n);
}

function offerIdOf(view: GridView, { buyer, node, farmer }: Lock): string {
  return `${buyer} ${farmBehind(view, node)?.id ?? farmer}`;
}
