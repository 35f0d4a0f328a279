import { placeOf, successorOf, workloadIdOf, workloadPlacesMax } from '@commongrid/model';
import type { ContractId, GridFold, PlacementItem, RecordOf } from '@commongrid/model';
import type { Assessment, WantedUnit } from '../heal/assess-units.ts';
import { isFoundUnwell, saidAtMs } from '../heal/node-word.ts';
import { slotKey } from '../plan/units.ts';
import { contractStatus } from '../state/contract-status.ts';
import { blocked } from './blocked.ts';
import type { Blocked } from './blocked.ts';
import { placementTtlMs } from './write-placement.ts';
import type { ContractCase, Look } from './look.ts';

/** How long a unit of an upgrade may take to become healthy, and one that was be anything else, ms of log time. */
const healthyWithinMs = 300_000;

/** What an upgrade comes to for one of its two contracts. */
export type RolloutStep =
  /** Nothing but what healing wants. */
  | {
      readonly is: 'heal';
      readonly wanted: readonly WantedUnit[];
      readonly blocked: readonly Blocked[];
    }
  /** These replicas end. */
  | {
      readonly is: 'withdraw';
      readonly items: readonly PlacementItem[];
      readonly reason: 'upgrade' | 'rollback';
    };

/** What a contract does while another takes its place, or while it takes that of another. */
export function rolloutStepOf(look: Look, one: ContractCase, assessment: Assessment): RolloutStep {
  const successor = successorOf(look.fold, one.id);
  if (successor !== undefined) return retirementOf(look, one, successor, assessment);
  return rolloutOf(look, one, assessment);
}

/**
 * A contract that replaces another, unit by unit: the next one is placed once all former ones are healthy.
 * One that does not become healthy in time, or of which the probe of its role said no when its time to start was
 * over, holds up the rest; where the contract says `mayRollBack`, all of it ends, and the former contract comes back.
 * One that was healthy where it is, and is not for a moment, only holds up the rest.
 */
function rolloutOf(
  look: Look,
  { id, header, state, units }: ContractCase,
  { wanted, blocked: held }: Assessment,
): RolloutStep {
  const { fold, at } = look;
  const { replaces } = header;
  if (state.isReplaced === true) return ended(held);
  if (replaces === undefined) return { is: 'heal', wanted, blocked: held };
  if (state.isRolledBack === true) {
    return {
      is: 'heal',
      wanted: [],
      blocked: [blocked('HEAL_ROLLED_BACK', 'it did not become healthy')],
    };
  }
  if (successorOf(fold, replaces) !== id) return ended(held);
  const items = fold.current('grid.placement.1', id)?.items ?? [];
  const slots = units.reduce((sum, unit) => sum + unit.slots.length, 0);
  // Once all of it was there it is healed as any other.
  const isOver = items.length >= slots && !isUnderWay(look, replaces);
  if (isOver) return { is: 'heal', wanted, blocked: held };
  const ready = readySlots(fold, id);
  const waiting = items.filter((item) => !ready.has(slotKey(item)));
  if (waiting.length === 0) {
    return { is: 'heal', wanted: nextOf(look, replaces, wanted), blocked: held };
  }
  const newest = newestBeginning(fold, id, items);
  const late = waiting.filter((item) => {
    const place = placeOf(fold.workload(workloadIdOf(id, item.role, item.replica)));
    // It was healthy there when the newest one began: of what ails it for a moment its node takes care.
    const isProven = place !== undefined && place.from < newest;
    const sinceMs = isProven ? saidAtMs(fold, id, item) : place?.moment.at;
    const isLate = sinceMs !== undefined && at - sinceMs >= healthyWithinMs;
    return isLate || (!isProven && isFoundUnwell(fold, id, item));
  });
  if (late.length > 0 && header.mayRollBack === true) {
    return { is: 'withdraw', items: [], reason: 'rollback' };
  }
  const text = 'the upgrade stands still: these are not healthy, or did not become so in time';
  const reasons = late.length === 0 ? [] : [blocked('HEAL_UPGRADE', text, late.map(slotKey))];
  // What is lost meanwhile is placed anew; nothing new begins.
  const placed = new Set(items.map(slotKey));
  const again = wanted.filter(({ unit }) => unit.slots.some((slot) => placed.has(slot)));
  return { is: 'heal', wanted: again, blocked: [...held, ...reasons] };
}

/** The revision by which the newest replica was placed for the first time: all that were placed before were healthy. */
function newestBeginning(fold: GridFold, id: ContractId, items: readonly PlacementItem[]): number {
  const first = items.map(({ role, replica }) => {
    const places = fold.workload(workloadIdOf(id, role, replica))?.places ?? [];
    // Of one that moved that often the first place is forgotten.
    return places.length < workloadPlacesMax ? (places[0]?.from ?? 0) : 0;
  });
  return Math.max(0, ...first);
}

/** The unit that comes next: first one that does not run in the former contract; what does runs on longest. */
function nextOf(
  { fold, watch }: Look,
  former: ContractId,
  wanted: readonly WantedUnit[],
): readonly WantedUnit[] {
  const heal = fold.current('grid.contract.1', former)?.heal;
  const items = fold.current('grid.placement.1', former)?.items ?? [];
  const ready = readySlots(fold, former);
  const running = new Set(
    items
      .filter(({ node }) => heal !== undefined && watch.outlook(node, heal) === 'alive')
      .map(slotKey)
      .filter((slot) => ready.has(slot)),
  );
  const isMissing = ({ unit }: WantedUnit): boolean =>
    unit.slots.some((slot) => !running.has(slot));
  const missing = wanted.filter(isMissing);
  return (missing.length > 0 ? missing : wanted).slice(0, 1);
}

/** What has no place any more. */
function ended(held: readonly Blocked[]): RolloutStep {
  const text = 'another contract took its place, or takes that of the same one';
  return { is: 'heal', wanted: [], blocked: [...held, blocked('HEAL_REPLACED', text)] };
}

/** Whether the former contract still has anything that is to end. */
function isUnderWay({ fold }: Look, former: ContractId): boolean {
  return (fold.current('grid.placement.1', former)?.items.length ?? 0) > 0;
}

/**
 * A contract whose place another takes: what is healthy there ends here, but for local data, which is
 * nowhere else. What ended is not placed again.
 */
function retirementOf(
  look: Look,
  { id, roles }: ContractCase,
  successor: ContractId,
  { wanted, blocked: held }: Assessment,
): RolloutStep {
  const { fold } = look;
  const items = fold.current('grid.placement.1', id)?.items ?? [];
  const ready = readySlots(fold, successor);
  const theirs = fold.current('grid.placement.1', successor)?.items ?? [];
  const isWhole = theirs.length > 0 && theirs.length === ready.size;
  const names = new Set(fold.current('grid.contract.1', successor)?.roles.map(({ name }) => name));
  const local = new Set(roles.flatMap(({ name, data }) => (data === 'local' ? [name] : [])));
  const ends = items.filter((item) => {
    if (local.has(item.role)) return false;
    // What the other one does not have ends with its last replica.
    return ready.has(slotKey(item)) || (isWhole && !names.has(item.role));
  });
  if (ends.length > 0) {
    const gone = new Set(ends);
    return { is: 'withdraw', items: items.filter((item) => !gone.has(item)), reason: 'upgrade' };
  }
  const kept = items.filter(({ role }) => local.has(role));
  const placed = new Set(items.map(slotKey));
  const text = 'another contract took over, and this one has data that is nowhere else';
  const reasons =
    isWhole && kept.length > 0 ? [blocked('HEAL_LOCAL_DATA', text, kept.map(slotKey))] : [];
  return {
    is: 'heal',
    wanted: wanted.filter(({ unit }) => unit.slots.some((slot) => placed.has(slot))),
    blocked: [...held, ...reasons],
  };
}

/** The placement by which replicas end. */
export function withdrawal(
  { fold, at }: Look,
  id: ContractId,
  fence: number,
  {
    items,
    reason,
  }: {
    readonly items: readonly PlacementItem[];
    readonly reason: RecordOf<'grid.placement.1'>['reason'];
  },
): RecordOf<'grid.placement.1'> {
  const revision = (fold.current('grid.placement.1', id)?.revision ?? 0) + 1;
  const lease = id as string as RecordOf<'grid.placement.1'>['lease'];
  const expMs = at + placementTtlMs;
  return { contract: id, revision, fence, items: [...items], reason, lease, expMs };
}

/** Replicas that run as they should, by `slotKey`. */
function readySlots(fold: GridFold, id: ContractId): ReadonlySet<string> {
  const status = contractStatus(fold, id, { seq: Number.MAX_SAFE_INTEGER, at: 0 });
  return new Set(status?.workloads.flatMap((one) => (one.isReady ? [slotKey(one)] : [])));
}
