import {
  endOf,
  heldBy,
  keptUnpaidMs,
  paidUntilMs,
  unpaidSinceMs,
  workloadOf,
} from '@commongrid/model';
import type {
  BotId,
  Contract,
  ContractId,
  EscrowState,
  GridFold,
  Lock,
  LockId,
  NodeId,
  WorkloadId,
} from '@commongrid/model';
import type { LedgerView } from './rail.ts';

/** How the rent of a place stands. Nothing but the last one deletes data. */
export type RentStanding =
  | 'paid' // it runs, and is paid for
  | 'warned' // money or term is over: it runs on for the grace of its contract, unpaid
  | 'paused' // the grace is over too: it stands still, and its data are kept
  | 'left' // it was placed elsewhere, or nowhere: what it left is kept
  | 'forfeit' // nobody paid for so long that the owner of the farm may give its data up
  | 'discarded'; // he did, or it was removed

/** A place on the farm of another, by its newest lock. Times are log time, ms since 1970. */
export interface RentedPlace {
  readonly workload: WorkloadId;
  readonly contract: ContractId;
  readonly node: NodeId;
  readonly lock: LockId;
  readonly farmer: BotId;
  readonly standing: RentStanding;
  /** Up to when it is paid if all goes well; undefined where it pays for ever, or is placed no more. */
  readonly paidUntilMs: number | undefined;
  /** From when on it stands still unless it is paid for again; undefined once it is placed no more. */
  readonly pausesMs: number | undefined;
  /** Its data are kept until then at least. */
  readonly keptUntilMs: number;
  readonly currency: string;
  /** What its lock holds: not paid, nor given back. Smallest units, decimal. */
  readonly held: string;
  /** From when on its buyer gets back what is left of that; undefined while it is placed. */
  readonly backMs: number | undefined;
  /** Up to which its data may be given up once nobody pays: the newest that was placed. */
  readonly revision: number;
}

/** Places that a bot rents or rents out, as far as it was told: by contract, then as the log has them. */
export function rentedPlaces({ fold, at }: LedgerView): readonly RentedPlace[] {
  const places = [...fold.moneyOf('escrow')].flatMap((escrow): RentedPlace[] => {
    const lock = fold.current('grid.lock.1', escrow.id);
    const header = lock && fold.current('grid.contract.1', lock.contract);
    if (lock === undefined || header === undefined || escrow.place === undefined) return [];
    const place = fold.workload(workloadOf(lock))?.places.findLast((one) => one.node === lock.node);
    // What a later lock pays for is told by that one.
    return place?.lock === lock.id ? [placeOf({ fold, at }, { lock, escrow, header })] : [];
  });
  return places.toSorted((one, other) => (one.workload < other.workload ? -1 : 1));
}

interface Rent {
  readonly lock: Lock;
  readonly escrow: EscrowState;
  readonly header: Contract;
}

function placeOf({ fold, at }: LedgerView, { lock, escrow, header }: Rent): RentedPlace {
  const isPlaced = escrow.place?.untilMs === undefined;
  const paidMs = isPlaced ? paidUntilMs(lock, escrow) : undefined;
  const unpaidMs = Math.min(header.term.untilMs, paidMs ?? Infinity);
  const sinceMs = unpaidSinceMs(header, escrow);
  // As long as no record shows that nothing is left, the time of notice has not begun.
  const noticedMs = at >= sinceMs ? sinceMs : Math.min(sinceMs, Math.max(at, unpaidMs));
  const keptUntilMs = noticedMs + keptUnpaidMs(header);
  const { graceMs } = header.term;
  const standing = (): RentStanding => {
    if (isDiscarded(fold, lock)) return 'discarded';
    if (at >= keptUntilMs) return 'forfeit';
    if (!isPlaced) return 'left';
    if (at >= unpaidMs + graceMs) return 'paused';
    return at >= unpaidMs ? 'warned' : 'paid';
  };
  return {
    ...{ workload: workloadOf(lock), contract: lock.contract, node: lock.node },
    ...{ lock: lock.id, farmer: lock.farmer, standing: standing() },
    paidUntilMs: paidMs,
    pausesMs: isPlaced ? unpaidMs + graceMs : undefined,
    keptUntilMs,
    ...{ currency: lock.price.currency, held: String(heldBy(escrow)) },
    backMs: isPlaced ? undefined : endOf(fold, lock, escrow),
    revision: fold.current('grid.placement.1', lock.contract)?.revision ?? 0,
  };
}

function isDiscarded(fold: GridFold, lock: Lock): boolean {
  const workload = workloadOf(lock);
  const place = fold.workload(workload)?.places.findLast((one) => one.node === lock.node);
  const told = fold.current('grid.slice.1', `${lock.node}/${workload}`)?.revision ?? 0;
  const newest = Math.min(told, (place?.until ?? told + 1) - 1);
  const buried = [workload, `${lock.node}/${workload}`].map((name) => {
    return fold.current('grid.tombstone.1', name)?.revision ?? 0;
  });
  return newest > 0 && Math.max(...buried) >= newest;
}
