import type { GridCode } from '../errors.ts';
import type { Contract } from '../records/contract.ts';
import type { Placement, PlacementItem } from '../records/placement.ts';
import { agreementFault, isHalted } from './approval-rules.ts';
import { placeOf, workloadPlacesMax } from './grid-state.ts';
import type { ContractState, GridState, WorkloadPlace, WorkloadState } from './grid-state.ts';
import {
  acceptGrid,
  farmBehind,
  isWhole,
  knowsNode,
  refuseGrid,
  workloadIdOf,
} from './grid-view.ts';
import type { GridVerdict, GridView } from './grid-view.ts';
import type { Moment } from './identity-state.ts';
import type { JudgedRecord } from './identity-view.ts';
import { actorFault } from './lease-rules.ts';
import { lockOf } from './lock-rules.ts';
import { moveFault, openingOf, replicaFault, spreadFault } from './mandate.ts';
import { nodeStanding } from './node-rules.ts';
import { fundingFault } from './wallet-escrow.ts';
import { successionFault, successorOf } from './succession.ts';
import { isOverBudget, paidPlaces } from './wallet-places.ts';

/** In this time a contract's `maxPerHour` counts moves, milliseconds of log time. */
const moveWindowMs = 3_600_000;

/**
 * Judges `grid.placement.1`, the only thing that starts anything.
 *
 * 1. It is by the holder of the newest lease of the contract, the next revision, and in time.
 * 2. Owner and policy want the contract; nobody halted it; it is inside its term. One that replaces
 *    another was not given up: see `successionFault`.
 * 3. Items that are as they were before are not judged again, so a lost node, or a lock that lapsed
 *    since, holds up no other. What is new stands on a node in service, with room that is kept for it.
 * 4. Of each role no more is in one place than its spread allows.
 * 5. What goes to another node than before goes where the contract lets it, and not too much at once,
 *    whatever reason is given.
 *
 * Of a role that no slice has shown yet replicas, spread and kind of data are not known; the slice that
 * shows it is held to them.
 *
 * Where the farm is another's, an escrow pays for the place, and all of them together stay within the
 * budget of a month.
 */
export function judgePlacement(
  view: GridView,
  { value, author, moment }: JudgedRecord<'grid.placement.1'>,
): GridVerdict {
  const header = view.current('grid.contract.1', value.contract);
  const state = view.contract(value.contract);
  if (header === undefined || state === undefined) return refuseGrid('PLACEMENT_CONTRACT_UNKNOWN');
  const former = view.current('grid.placement.1', value.contract);
  const fault =
    orderFault(view, value, author, moment, former) ??
    agreementFault(view, header, state) ??
    (value.items.length > 0 || state.isRolledBack === true
      ? successionFault(view, header, state)
      : undefined) ??
    (isHalted(view, state, moment) ? 'CONTRACT_HALTED' : undefined);
  if (fault !== undefined) return refuseGrid(fault);
  const changed = changedItems(value, former);
  const moved = changed.filter((item) => isMoved(view, value, item));
  const itemFault =
    (changed.length > 0 ? termFault(header, state, moment) : undefined) ??
    shapeFault(view, header, state, value) ??
    firstFault(changed, (item) => nodeFault(view, header, value, item, moment)) ??
    firstFault(moved, (item) => moveFault(view, header, state, value, item));
  if (itemFault !== undefined) return refuseGrid(itemFault);
  const moves = movesWith(state, moved.length, moment);
  if (exceeds(view, header, moves, value, former)) return refuseGrid('PLACEMENT_TOO_MANY_MOVES');
  if (isOverBudget(view, header, value)) return refuseGrid('PLACEMENT_BUDGET');
  return acceptGrid(
    { ...state, moves, ...endOf(view, header, value) },
    ...newPlaces(view, value, former, changed, moment),
    ...paidPlaces(view, value, former, moment),
  );
}

function orderFault(
  view: GridView,
  { contract, revision, lease, fence, expMs, notAfterMs = Infinity }: Placement,
  author: string,
  moment: Moment,
  former: Placement | undefined,
): GridCode | undefined {
  // The lease of a role is for whoever leads its replicas; it places nothing.
  if ((lease as string) !== contract) return 'CONTRACT_NOT_HOLDER';
  const last = former?.revision ?? 0;
  const fault = actorFault(view, contract, author, moment, fence);
  if (fault !== undefined) return fault;
  if (revision <= last) return 'PLACEMENT_REPLAYED';
  if (isWhole(view) && revision !== last + 1) return 'PLACEMENT_GAP';
  if (expMs <= moment.at) return 'PLACEMENT_EXPIRED';
  return notAfterMs <= moment.at ? 'PLACEMENT_LATE' : undefined;
}

/** Whether a contract has ended with a placement of nothing: handed over, or taken back where it may be. */
function endOf(
  view: GridView,
  { replaces, mayRollBack }: Contract,
  { contract, reason, items }: Placement,
): Pick<ContractState, 'isReplaced' | 'isRolledBack'> {
  if (items.length > 0) return {};
  const isOver = reason === 'upgrade' && successorOf(view, contract) !== undefined;
  const isBack = reason === 'rollback' && replaces !== undefined && mayRollBack === true;
  return { ...(isOver ? { isReplaced: true } : {}), ...(isBack ? { isRolledBack: true } : {}) };
}

/** Why nothing new of a contract may begin now. */
export function termFault(
  { term }: Contract,
  { agreed }: ContractState,
  { at }: Pick<Moment, 'at'>,
): GridCode | undefined {
  if (at < term.fromMs) return 'CONTRACT_TERM_EARLY';
  if (at >= term.untilMs) return 'CONTRACT_TERM_OVER';
  return agreed.remove === undefined ? undefined : 'CONTRACT_REMOVED';
}

/** Items that say anything else than the placement before. */
function changedItems({ items }: Placement, former: Placement | undefined) {
  const before = new Map(former?.items.map((item) => [keyOf(item), item]));
  return items.filter((item) => {
    const same = before.get(keyOf(item));
    return same?.node !== item.node || same.lock !== item.lock || same.slice !== item.slice;
  });
}

function isMoved(view: GridView, { contract }: Placement, item: PlacementItem): boolean {
  const last = view.workload(workloadIdOf(contract, item.role, item.replica))?.places.at(-1);
  return last !== undefined && last.node !== item.node;
}

function shapeFault(
  view: GridView,
  header: Contract,
  state: ContractState,
  placement: Placement,
): GridCode | undefined {
  const { items } = placement;
  if (new Set(items.map(keyOf)).size < items.length) return 'PLACEMENT_ITEM_TWICE';
  const roles = Map.groupBy(items, ({ role }) => role);
  for (const [name, own] of roles) {
    if (!header.roles.some((role) => role.name === name)) return 'PLACEMENT_ROLE_UNKNOWN';
    const role = openingOf(view, state, name)?.role;
    if (role === undefined) continue;
    const fault = replicaFault(role, own) ?? spreadFault(view, role, own);
    if (fault !== undefined) return fault;
  }
  return undefined;
}

function nodeFault(
  view: GridView,
  header: Contract,
  { contract }: Placement,
  item: PlacementItem,
  { at }: Moment,
): GridCode | undefined {
  if (!knowsNode(view, item.node)) return undefined;
  return hostFault(view, item) ?? lockFault(view, { ...item, contract }, header, at);
}

/** Why nothing may start on a node. */
export function hostFault(
  view: GridView,
  { node }: Pick<PlacementItem, 'node'>,
): GridCode | undefined {
  const state = view.node(node);
  const standing = state === undefined ? 'unadopted' : nodeStanding(state);
  if (standing === 'inService') return undefined;
  return standing === 'cloned' ? 'PLACEMENT_NODE_CLONED' : 'PLACEMENT_NODE_NOT_IN_SERVICE';
}

/** Whoever owns both the contract and the farm needs no lock. */
export function lockFault(
  view: GridView,
  place: PlacementItem & Pick<Placement, 'contract'>,
  { owner }: Contract,
  at: number,
): GridCode | undefined {
  const farm = farmBehind(view, place.node);
  if (farm?.owner === owner) return undefined;
  const lock = lockOf(view, place);
  return lock === undefined ? 'LOCK_MISSING' : fundingFault(view, lock, at);
}

function movesWith(
  { moves }: ContractState,
  count: number,
  { at }: Moment,
): ContractState['moves'] {
  const recent = moves.filter((move) => at - move.at < moveWindowMs);
  return count === 0 ? recent : [...recent, { at, count }];
}

function exceeds(
  view: GridView,
  { heal }: Contract,
  moves: ContractState['moves'],
  { revision }: Placement,
  former: Placement | undefined,
): boolean {
  // Who missed revisions takes the moves of many for those of one.
  if (!isWhole(view) && revision !== (former?.revision ?? 0) + 1) return false;
  return moves.reduce((sum, { count }) => sum + count, 0) > heal.maxPerHour;
}

/** Places that begin and end with a placement. */
function* newPlaces(
  view: GridView,
  { contract, revision, items }: Placement,
  former: Placement | undefined,
  changed: readonly PlacementItem[],
  moment: Moment,
): Generator<GridState> {
  const kept = new Set(items.map(keyOf));
  for (const item of former?.items ?? []) {
    if (kept.has(keyOf(item))) continue;
    const state = view.workload(workloadIdOf(contract, item.role, item.replica));
    if (state !== undefined) yield leave(state, revision);
  }
  for (const { role, replica, node, lock } of changed) {
    const id = workloadIdOf(contract, role, replica);
    const known = view.workload(id);
    const by = lock === undefined ? {} : { lock };
    const last = placeOf(known);
    if (known !== undefined && last?.node === node) {
      const { lock: _former, ...stay } = last;
      const places = [...known.places.slice(0, -1), { ...stay, ...by }];
      if (last.lock !== lock) yield { ...known, places };
      continue;
    }
    const state = leave(known ?? { kind: 'workload', id, places: [] }, revision);
    const place = { node, from: revision, moment, ...by };
    yield { ...state, places: [...state.places, place].slice(-workloadPlacesMax) };
  }
}

function leave(
  { kind, id, places }: Pick<WorkloadState, 'kind' | 'id' | 'places'>,
  until: number,
): WorkloadState {
  const end = (place: WorkloadPlace) => (place.until === undefined ? { ...place, until } : place);
  return { kind, id, places: places.map(end) };
}

function firstFault<T>(
  all: readonly T[],
  judge: (one: T) => GridCode | undefined,
): GridCode | undefined {
  for (const one of all) {
    const fault = judge(one);
    if (fault !== undefined) return fault;
  }
  return undefined;
}

function keyOf({ role, replica }: Pick<PlacementItem, 'role' | 'replica'>): string {
  return `${role}/${replica}`;
}
