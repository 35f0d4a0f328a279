import { paidUntilMs } from '@commongrid/model';
import type { ContractId, GridFold, NodeId, PlacementItem } from '@commongrid/model';
import type { ContractJournal } from '../controller/contract-journal.ts';
import type { Unit } from '../plan/units.ts';
import type { NodeOutlook } from './node-watch.ts';
import { isWell } from './node-word.ts';
import type { EndWaits } from './single-writer.ts';
import type { UnitTrials, UnitVerdict } from './unit-trials.ts';

/** What is paid for up to so short before the end of the term needs no other lock, ms. */
const termSlackMs = 3_600_000;

export interface StandingInput {
  readonly contract: ContractId;
  readonly fold: GridFold;
  /** Log time, ms since 1970. */
  readonly at: number;
  /** Of the monotonic clock. */
  readonly nowMs: number;
  /** Of the contract, ms. */
  readonly replaceAfterMs: number;
  readonly waits: EndWaits;
  /** End of the contract's term, ms since 1970: nothing is paid for beyond it. */
  readonly untilMs: number;
  /** Asked only where something is not as it should be. */
  readonly journal: () => ContractJournal;
  /** @param isBegun whether the log shows that a move away from there was begun */
  readonly outlook: (node: NodeId, isBegun: boolean) => NodeOutlook;
  /** Whether a farmer gave no lock for a node lately. */
  readonly isExcluded: (node: NodeId) => boolean;
  readonly trials: UnitTrials;
}

/** How a unit stands. */
export interface UnitStanding {
  readonly unit: Unit;
  /** Where it is placed. */
  readonly nodes: readonly NodeId[];
  readonly isPlaced: boolean;
  readonly isLost: boolean;
  /** What follows from what its node says, where that is there. */
  readonly verdict: UnitVerdict | undefined;
  readonly begun: NodeId | undefined;
  /** It stays, and what was paid for its place is used up soon. */
  readonly runsOut: boolean;
  /** It runs as it should; asked only of some. */
  readonly isWell: () => boolean;
}

export function standingOf(
  input: StandingInput,
  unit: Unit,
  items: ReadonlyMap<string, PlacementItem>,
): UnitStanding {
  const { contract, fold, outlook, isExcluded, trials } = input;
  const own = unit.slots.flatMap((slot) => items.get(slot) ?? []);
  const nodes = [...new Set(own.map(({ node }) => node))];
  // What goes together is placed together, so that a part of it means that the rest is lost.
  const isPlaced = own.length === unit.slots.length;
  const isThere = isPlaced && nodes.every((node) => outlook(node, true) === 'alive');
  const verdict = isThere ? trials.verdictOf(input, unit) : undefined;
  const known = { unit, nodes, isPlaced, verdict };
  const isSound = (): boolean => isThere && own.every((item) => isWell(fold, contract, item));
  const runsOut =
    isThere &&
    nodes.every((node) => !isExcluded(node)) &&
    own.some((item) => isUsedUpSoon(input, item));
  if (isThere && verdict === undefined) {
    return { ...known, isLost: false, begun: undefined, runsOut, isWell: isSound };
  }
  const begun = begunAt(input, unit, nodes);
  const isLost = nodes.some((node) => outlook(node, begun !== undefined) === 'lost');
  return { ...known, isLost, begun, runsOut, isWell: isSound };
}

/** Where else a lock is held for a unit, or which node was told of it already. */
function begunAt(
  { journal, outlook, isExcluded, trials }: StandingInput,
  unit: Unit,
  nodes: readonly NodeId[],
): NodeId | undefined {
  const { locks, told } = journal();
  const hinted = unit.slots.flatMap((slot) => [
    ...(locks.get(slot) ?? []).map(({ node }) => node),
    ...(told.get(slot) ?? []),
  ]);
  const failed = trials.failuresOf(unit);
  return hinted.find((node) => {
    const isOpen = !nodes.includes(node) && !isExcluded(node) && outlook(node, false) !== 'lost';
    return isOpen && !failed.some((one) => one.node === node);
  });
}

/** Whether less than a tenth is left of the time that was paid for a place. */
function isUsedUpSoon({ fold, at, untilMs }: StandingInput, { lock: id }: PlacementItem): boolean {
  const lock = fold.current('grid.lock.1', id ?? '');
  const escrow = lock && fold.money('escrow', lock.id);
  if (lock === undefined || escrow === undefined) return false;
  const endMs = paidUntilMs(lock, escrow);
  if (endMs === undefined || endMs >= untilMs - termSlackMs) return false;
  const paidMs = Number(
    (BigInt(escrow.funded) * BigInt(lock.price.perSeconds) * 1000n) / BigInt(lock.price.amount),
  );
  return endMs - at < paidMs / 10;
}
