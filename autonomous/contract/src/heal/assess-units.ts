import { workloadIdOf } from '@commongrid/model';
import type { ContractState, NodeId, PlacementItem, WorkloadId } from '@commongrid/model';
import type { Blocked } from '../controller/blocked.ts';
import type { ShardCode } from '../definition/read-role.ts';
import { slotKey } from '../plan/units.ts';
import type { Unit } from '../plan/units.ts';
import { isHandingOver } from './drain-end.ts';
import { Holds } from './holds.ts';
import { hasEnded, isSingleWriter } from './single-writer.ts';
import { standingOf } from './unit-standing.ts';
import type { StandingInput, UnitStanding } from './unit-standing.ts';
import { failureText } from './unit-trials.ts';

/** In this time the log counts moves against `heal.maxPerHour`, ms of log time. */
const moveWindowMs = 3_600_000;
/** So many shards to spare or fewer are repaired while a storm holds up everything else. */
const stormSpareMax = 1;

export interface AssessInput extends StandingInput {
  readonly state: Pick<ContractState, 'moves'>;
  readonly maxPerHour: number;
  readonly units: readonly Unit[];
  readonly shards: Readonly<Record<string, ShardCode>>;
  readonly isStorm: boolean;
  /** Asked only where something leaves a node: see `DispersedData`. */
  readonly isBeingRepaired: () => boolean;
  /** Whether what a replica had elsewhere is not all made again at its node: see `DispersedData`. */
  readonly isHollow: (workload: WorkloadId, node: NodeId) => boolean;
  /** Whether the owner said of a silent node that it does not come back. */
  readonly isGivenUp: (node: NodeId) => boolean;
  /** Whether nodes may have said anything since the last time. */
  readonly hasNews: boolean;
}

/** What is to become of the units of a contract. */
export interface Assessment {
  /** Items of the newest placement that stay as they are, be it on a node that is lost. */
  readonly stays: readonly PlacementItem[];
  /** Units that need a place, each with the node that was begun with. */
  readonly wanted: readonly WantedUnit[];
  /** Single writers that leave a node which is there: they end before they begin elsewhere. */
  readonly ends: readonly WantedUnit[];
  readonly blocked: readonly Blocked[];
}

export interface WantedUnit {
  readonly unit: Unit;
  /** A lock is held there, or the node was told. */
  readonly begun: NodeId | undefined;
  /** It leaves a node that is there: it does not do there, or the node is taken out of service. */
  readonly leaves: 'unfit' | 'leaving' | undefined;
  /** Nodes on which it did not do. */
  readonly avoids: ReadonlySet<NodeId>;
}

/**
 * Which units stay, and which need a place now:
 *
 * 1. What was never placed, and what is on a lost node. Then what its node refuses, or what fails there for
 *    good (`UnitTrials`). Then what is on a node that is taken out of service: of each role one replica at a
 *    time, while all others are well, and so is all that left before; of shards while none has to be made
 *    again.
 * 2. Of what was placed not what has local data, which is nowhere else; nor shards while too few others have
 *    what is needed to make them again, since where they are they may come back; and while a storm lasts only
 *    shards of which few are to spare.
 * 3. No more of what moves than the contract allows within an hour.
 * 4. A single writer ends where it was before it is placed elsewhere, unless that node is lost.
 * 5. What stays, and has used up most of what was paid for it, needs another lock for the same node.
 */
export function assessUnits(input: AssessInput): Assessment {
  const { contract, fold, units, trials } = input;
  const items = new Map<string, PlacementItem>();
  for (const item of fold.current('grid.placement.1', contract)?.items ?? []) {
    items.set(slotKey(item), item);
  }
  if (input.hasNews || trials.isWaiting) {
    trials.note(input, units, (unit) => unit.slots.flatMap((slot) => items.get(slot) ?? []));
  }
  const standings = byUrgency(units.map((unit) => standingOf(input, unit, items)));
  const moving = new Moving(input, standings);
  const wanted: WantedUnit[] = [];
  const ends: WantedUnit[] = [];
  for (const one of standings) {
    const { unit, isPlaced, isLost, begun, verdict, runsOut, nodes } = one;
    const avoids = new Set(trials.failuresOf(unit).map(({ node }) => node));
    const isSettled = isPlaced && !isLost && verdict === undefined;
    if (isSettled || !moving.admits(one)) {
      if (runsOut) wanted.push({ unit, begun: nodes[0], avoids, leaves: undefined });
      continue;
    }
    const leaves = isLost || verdict?.is === 'everywhere' ? undefined : verdict?.is;
    const isFirstToEnd = leaves !== undefined && isSingleWriter(unit);
    (isFirstToEnd ? ends : wanted).push({ unit, begun, avoids, leaves });
  }
  const goes = new Set(wanted.flatMap(({ unit }) => unit.slots));
  return {
    stays: [...items].flatMap(([slot, item]) => (goes.has(slot) ? [] : [item])),
    ...{ wanted, ends, blocked: moving.holds.told() },
  };
}

/** Lets units move, and says why others may not. */
class Moving {
  readonly holds = new Holds();
  readonly #input: AssessInput;
  readonly #spares: ReadonlyMap<string, number>;
  /** How many shards of each role are there beyond those that others can be made from; below 0 where too few. */
  readonly #sources: ReadonlyMap<string, number>;
  /** Roles of which something is not well, each with the units that are not. */
  readonly #unwell: Map<string, Set<string>>;
  /** Of any role: the next placement would end what runs on beside what is not well yet. */
  readonly #isHandingOver: boolean;
  #left: number;

  constructor(input: AssessInput, standings: readonly UnitStanding[]) {
    this.#input = input;
    this.#spares = spareShards(input, standings, ({ isLost }) => !isLost);
    this.#sources = spareShards(input, standings, (one) => isSource(input, one));
    this.#left = movesLeft(input);
    const hasLeaving = standings.some(({ verdict }) => verdict?.is === 'leaving');
    this.#unwell = hasLeaving ? unwellIn(standings) : new Map();
    this.#isHandingOver = hasLeaving && isHandingOver(input.fold, input.contract, input.at);
  }

  admits(one: UnitStanding): boolean {
    return this.#mayLeave(one) && this.#hasEnded(one) && this.#isWithinRate(one);
  }

  #mayLeave(one: UnitStanding): boolean {
    const { unit, isPlaced, verdict, isLost } = one;
    if (!isPlaced) return true;
    const cause = isLost ? undefined : verdict;
    if (cause?.is === 'everywhere') {
      return this.holds.add('HEAL_FAILS_EVERYWHERE', failureText(cause.failures), unit);
    }
    if (unit.roles.some(({ data }) => data === 'local')) {
      return this.holds.add('HEAL_LOCAL_DATA', localTexts[cause?.is ?? 'lost'], unit);
    }
    if (this.#isBeyondRepair(one)) {
      const text = 'more shards are away than can be made again from those that are left';
      return this.holds.add('HEAL_SHARDS_AWAY', text, unit);
    }
    if (this.#input.isStorm && !isNeeded(unit, this.#spares)) {
      return this.holds.add('HEAL_STORM', 'a large part of all nodes is not heard of', unit);
    }
    if (cause?.is !== 'leaving') return true;
    if (isNamespace(unit) && this.#input.isBeingRepaired()) {
      const text =
        'its node is taken out of service, and shards that were lost are not all made again';
      return this.holds.add('HEAL_DRAIN', text, unit);
    }
    if (!this.#isHandingOver && this.#isNext(unit)) return true;
    const text =
      'its node is taken out of service, and what left before, or other replicas, are not healthy yet';
    return this.holds.add('HEAL_DRAIN', text, unit);
  }

  /** Moving it would leave behind, for nothing, what is needed once it is back. */
  #isBeyondRepair({ unit, nodes }: UnitStanding): boolean {
    const isShort = unit.roles.some(({ name }) => (this.#sources.get(name) ?? 0) < 0);
    return isShort && !nodes.every((node) => this.#input.isGivenUp(node));
  }

  /** Whether all other replicas of the roles of a unit are well. */
  #isNext({ key, roles }: Unit): boolean {
    return roles.every(({ name }) => {
      const unwell = this.#unwell.get(name) ?? new Set();
      return unwell.size === 0 || (unwell.size === 1 && unwell.has(key));
    });
  }

  #hasEnded({ unit, isPlaced }: UnitStanding): boolean {
    if (isPlaced || !isSingleWriter(unit) || hasEnded(this.#input, unit)) return true;
    const text = 'where it was its node has not said yet that it ended';
    return this.holds.add('HEAL_HANDOVER', text, unit);
  }

  #isWithinRate({ unit, verdict }: UnitStanding): boolean {
    const count = movedSlots(this.#input, unit);
    if (count > this.#left) {
      const text = 'it has to move, and no more may be moved within this hour';
      return this.holds.add('HEAL_RATE', text, unit);
    }
    this.#left -= count;
    // The next one of its roles waits for this one.
    if (verdict?.is === 'leaving') {
      for (const { name } of unit.roles) addTo(this.#unwell, name, unit.key);
    }
    return true;
  }
}

/** Part of what somebody spread over several: what it has is made again elsewhere, and does not come along. */
function isNamespace({ roles }: Unit): boolean {
  return roles.some(({ data, workload }) => data === 'dispersed' && workload.kind === 'zdb');
}

const localTexts = {
  lost: 'its node is not heard of, and has the only copy of its data',
  unfit: 'its node does not run it, and has the only copy of its data',
  leaving: 'its node is taken out of service, and has the only copy of its data',
} as const;

/** What is lost comes first, then what does not do where it is. */
function byUrgency(standings: readonly UnitStanding[]): readonly UnitStanding[] {
  if (standings.every(({ verdict }) => verdict === undefined)) return standings;
  const rank = ({ isPlaced, isLost, verdict }: UnitStanding): number => {
    if (!isPlaced || isLost) return 0;
    return verdict?.is === 'leaving' ? 2 : 1;
  };
  return standings.toSorted((a, b) => rank(a) - rank(b));
}

/** Units that are not well, by role. */
function unwellIn(standings: readonly UnitStanding[]): Map<string, Set<string>> {
  const unwell = new Map<string, Set<string>>();
  for (const { unit, isWell } of standings) {
    if (isWell()) continue;
    for (const { name } of unit.roles) addTo(unwell, name, unit.key);
  }
  return unwell;
}

function addTo(all: Map<string, Set<string>>, name: string, key: string): void {
  all.set(name, (all.get(name) ?? new Set()).add(key));
}

/** How many shards of each role there are beyond those that the data can be made from. */
function spareShards(
  { shards }: AssessInput,
  standings: readonly UnitStanding[],
  counts: (one: UnitStanding) => boolean,
): ReadonlyMap<string, number> {
  const spares = new Map<string, number>();
  for (const [role, { dataShards }] of Object.entries(shards)) spares.set(role, -dataShards);
  for (const one of standings) {
    if (!one.isPlaced || !counts(one)) continue;
    for (const { name } of one.unit.roles) {
      const spare = spares.get(name);
      if (spare !== undefined) spares.set(name, spare + 1);
    }
  }
  return spares;
}

/** Whether others can be made from what a unit has. Nodes that vanish at once are not taken for lost at once. */
function isSource({ outlook, isHollow, contract }: AssessInput, one: UnitStanding): boolean {
  const { nodes, unit } = one;
  if (nodes.some((node) => outlook(node, true) !== 'alive')) return false;
  return unit.roles.every(({ name }) => {
    const workload = workloadIdOf(contract, name, unit.replica);
    return nodes.every((node) => !isHollow(workload, node));
  });
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
