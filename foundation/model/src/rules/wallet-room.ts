import type { GridCode } from '../errors.ts';
import type { Resources } from '../records/contract-role.ts';
import type { Lock } from '../records/lock.ts';
import { farmBehind, isWhole, knowsNode } from './grid-view.ts';
import type { GridView } from './grid-view.ts';
import { nodeLocksMax } from './wallet-state.ts';
import type { OfferState, RoomState } from './wallet-state.ts';

/** Contracts for which a farm keeps room for one buyer who has not paid yet. */
const unfundedContractsMax = 3;

export type RoomVerdict =
  | { readonly states: readonly (RoomState | OfferState)[]; readonly code?: undefined }
  | { readonly code: GridCode };

/** Keeps room for a new lock: no more than the node has, and not for ever more unpaid contracts. */
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
  const offerId = offerIdOf(view, lock);
  const open = (view.money('offer', offerId)?.locks ?? []).filter((one) => isOpenAt(one, at));
  const contracts = new Set([...open.map((one) => one.contract), contract]);
  if (isWhole(view) && contracts.size > unfundedContractsMax) return { code: 'LOCK_UNPAID' };
  return {
    states: [
      { kind: 'room', id: node, locks: [...kept, { id, resources, expiresMs }] },
      { kind: 'offer', id: offerId, locks: [...open, { id, contract, expiresMs }] },
    ],
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
