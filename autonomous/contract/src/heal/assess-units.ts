import { paidUntilMs, workloadIdOf } from '@commongrid/model';
import type { ContractId, ContractState, GridFold, NodeId, PlacementItem } from '@commongrid/model';
import { blocked } from '../controller/blocked.ts';
import type { Blocked } from '../controller/blocked.ts';
import type { ContractJournal } from '../controller/contract-journal.ts';
import type { ShardCode } from '../definition/read-role.ts';
import { slotKey } from '../plan/units.ts';
import type { Unit } from '../plan/units.ts';
import type { NodeOutlook } from './node-watch.ts';

/** In this time the log counts moves against `heal.maxPerHour`, ms of log time. */
const moveWindowMs = 3_600_000;
/** What is paid for up to so short before the end of the term needs no other lock, ms. */
const termSlackMs = 3_600_000;
/** So many shards to spare or fewer are repaired while a storm holds up everything else. */
const stormSpareMax = 1;

export interface AssessInput {
  readonly contract: ContractId;
  readonly fold: GridFold;
  /** Log time, ms since 1970. */
  readonly at: number;
  readonly state: Pick<ContractState, 'moves'>;
  readonly maxPerHour: number;
  /** End of the contract's term, ms since 1970: nothing is paid for beyond it. */
  readonly untilMs: number;
  readonly units: readonly Unit[];
  readonly shards: Readonly<Record<string, ShardCode>>;
  /** Asked only where something is not as it should be. */
  readonly journal: () => ContractJournal;
  /** @param isBegun whether the log shows that a move away from there was begun */
  readonly outlook: (node: NodeId, isBegun: boolean) => NodeOutlook;
  readonly isStorm: boolean;
  /** Whether a node was tried for a unit and did not do. */
  readonly isExcluded: (node: NodeId) => boolean;
}

/** What is to become of the units of a contract. */
export interface Assessment {
  /** Items of the newest placement that stay as they are, be it on a node that is lost. */
  readonly stays: readonly PlacementItem[];
  /** Units that need a place, each with the node that was begun with. */
  readonly wanted: readonly WantedUnit[];
  readonly blocked: readonly Blocked[];
}

export interface WantedUnit {
  readonly unit: Unit;
  /** A lock is held there, or the node was told. */
  readonly begun: NodeId | undefined;
}

/**
 * Which units stay, and which need a place now:
 *
 * 1. What was never placed, and what is on a lost node.
 * 2. Of the latter not what has local data, which is nowhere else; and while a storm lasts only shards
 *    of which few are to spare.
 * 3. No more of what moves than the contract allows within an hour.
 * 4. What stays, and has used up most of what was paid for it, needs another lock for the same node.
 */
export function assessUnits(input: AssessInput): Assessment {
  const { contract, fold, units } = input;
  const items = new Map<string, PlacementItem>();
  for (const item of fold.current('grid.placement.1', contract)?.items ?? []) {
    items.set(slotKey(item), item);
  }
  const standings = units.map((unit) => standingOf(input, unit, items));
  const spares = spareShards(input, standings);
  const reasons = new Map<Blocked['code'], string[]>();
  const hold = (code: Blocked['code'], { slots }: Unit): void => {
    reasons.set(code, [...(reasons.get(code) ?? []), ...slots]);
  };
  let moves = movesLeft(input);
  const wanted: WantedUnit[] = [];
  for (const { unit, isLost, isPlaced, begun, runsOut } of standings) {
    if (runsOut) wanted.push({ unit, begun });
    if (isPlaced && !isLost) continue;
    if (isPlaced && unit.roles.some(({ data }) => data === 'local')) hold('HEAL_LOCAL_DATA', unit);
    else if (isPlaced && input.isStorm && !isNeeded(unit, spares)) hold('HEAL_STORM', unit);
    else {
      const count = movedSlots(input, unit);
      if (count > moves) hold('HEAL_RATE', unit);
      else {
        moves -= count;
        wanted.push({ unit, begun });
      }
    }
  }
  const goes = new Set(wanted.flatMap(({ unit }) => unit.slots));
  return {
    stays: [...items].flatMap(([slot, item]) => (goes.has(slot) ? [] : [item])),
    wanted,
    blocked: [...reasons].map(([code, slots]) => blocked(code, holdTexts[code] ?? code, slots)),
  };
}

const holdTexts: { readonly [Code in Blocked['code']]?: string } = {
  HEAL_LOCAL_DATA: 'its node is not heard of, and has the only copy of its data',
  HEAL_STORM: 'its node is not heard of, as a large part of all nodes',
  HEAL_RATE: 'its node is lost, and no more may be moved within this hour',
};

interface UnitStanding {
  readonly unit: Unit;
  readonly isPlaced: boolean;
  readonly isLost: boolean;
  readonly begun: NodeId | undefined;
  /** It is well, and what was paid for its place is used up soon. */
  readonly runsOut: boolean;
}

function standingOf(
  { fold, at, untilMs, journal, outlook, isExcluded }: AssessInput,
  unit: Unit,
  items: ReadonlyMap<string, PlacementItem>,
): UnitStanding {
  const own = unit.slots.flatMap((slot) => items.get(slot) ?? []);
  const nodes = [...new Set(own.map(({ node }) => node))];
  // What goes together is placed together, so that a part of it means that the rest is lost.
  const isPlaced = own.length === unit.slots.length;
  const isWell = isPlaced && nodes.every((node) => outlook(node, true) === 'alive');
  const [only] = nodes;
  if (isWell && only !== undefined) {
    const runsOut = !isExcluded(only) && own.some((item) => isUsedUpSoon(fold, item, at, untilMs));
    return { unit, isPlaced, isLost: false, begun: runsOut ? only : undefined, runsOut };
  }
  const { locks, told } = journal();
  const hinted = unit.slots.flatMap((slot) => [
    ...(locks.get(slot) ?? []).map(({ node }) => node),
    ...(told.get(slot) ?? []),
  ]);
  const begun = hinted.find((node) => {
    return !nodes.includes(node) && !isExcluded(node) && outlook(node, false) !== 'lost';
  });
  const isLost = nodes.some((node) => outlook(node, begun !== undefined) === 'lost');
  return { unit, isPlaced, isLost, begun, runsOut: false };
}

/** Whether less than a tenth is left of the time that was paid for a place. */
function isUsedUpSoon(
  fold: GridFold,
  { lock: id }: PlacementItem,
  at: number,
  termEndMs: number,
): boolean {
  const lock = fold.current('grid.lock.1', id ?? '');
  const escrow = lock && fold.money('escrow', lock.id);
  if (lock === undefined || escrow === undefined) return false;
  const endMs = paidUntilMs(lock, escrow);
  if (endMs === undefined || endMs >= termEndMs - termSlackMs) return false;
  const paidMs = Number(
    (BigInt(escrow.funded) * BigInt(lock.price.perSeconds) * 1000n) / BigInt(lock.price.amount),
  );
  return endMs - at < paidMs / 10;
}

/** How many shards of each role can still be lost. */
function spareShards(
  { shards }: AssessInput,
  standings: readonly UnitStanding[],
): ReadonlyMap<string, number> {
  const spares = new Map<string, number>();
  for (const [role, { dataShards }] of Object.entries(shards)) spares.set(role, -dataShards);
  for (const { unit, isPlaced, isLost } of standings) {
    if (!isPlaced || isLost) continue;
    for (const { name } of unit.roles) {
      const spare = spares.get(name);
      if (spare !== undefined) spares.set(name, spare + 1);
    }
  }
  return spares;
}

function isNeeded({ roles }: Unit, spares: ReadonlyMap<string, number>): boolean {
  return roles.some(({ name }) => (spares.get(name) ?? Infinity) <= stormSpareMax);
}

function movesLeft({ state, maxPerHour, at }: AssessInput): number {
  const recent = state.moves.filter((move) => at - move.at < moveWindowMs);
  return maxPerHour - recent.reduce((sum, { count }) => sum + count, 0);
}

/** Replicas of a unit that the log would count as moved: those that were somewhere before. */
function movedSlots({ contract, fold }: AssessInput, { roles, replica }: Unit): number {
  return roles.filter(({ name }) => {
    return (fold.workload(workloadIdOf(contract, name, replica))?.places.length ?? 0) > 0;
  }).length;
}
