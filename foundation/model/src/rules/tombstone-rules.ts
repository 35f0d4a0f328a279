import type { GridCode } from '../errors.ts';
import type { NodeId } from '../fields.ts';
import type { Contract } from '../records/contract.ts';
import type { Tombstone } from '../records/tombstone.ts';
import { placeOf } from './grid-state.ts';
import type { ContractState } from './grid-state.ts';
import { acceptGrid, farmBehind, knowsNode, refuseGrid, workloadParts } from './grid-view.ts';
import type { GridVerdict, GridView } from './grid-view.ts';
import type { Moment } from './identity-state.ts';
import type { JudgedRecord } from './identity-view.ts';
import { botBehind } from './keys.ts';
import { actorFault } from './lease-rules.ts';
import { openingOf } from './mandate.ts';
import type { EscrowState } from './wallet-state.ts';

/** How long a successor is healthy before what it replaces may go, milliseconds of log time. */
export const successorHealthyMs = 24 * 3_600_000;

/** How long, after the contract's grace, a buyer who does not pay may save data; ms of log time. */
export const unpaidNoticeMs = 7 * 24 * 3_600_000;

/**
 * Judges `grid.tombstone.1`: nothing else deletes data, so it never reaches what is placed and paid for,
 * or what was not placed yet.
 *
 * - `removed`: those who may remove the contract agreed to it; one of them says so, or its controller.
 * - `replaced`: by the controller, of data that is elsewhere too, once the successor was healthy for
 *   a day. A reader who is not told of the successor's health knows only for how long it is placed.
 * - `unpaid`: by the owner of the farm, of what is on one of his nodes, whether placed there or not, once
 *   nobody has paid for it for the contract's grace and a week of notice more.
 */
export function judgeTombstone(
  view: GridView,
  record: JudgedRecord<'grid.tombstone.1'>,
): GridVerdict {
  const { value } = record;
  const { contract } = workloadParts(value.workload);
  const header = view.current('grid.contract.1', contract);
  const state = view.contract(contract);
  if (header === undefined || state === undefined) return refuseGrid('TOMBSTONE_CONTRACT_UNKNOWN');
  const fault = rangeFault(view, record) ?? reasonFault(view, header, state, record);
  return fault === undefined ? acceptGrid() : refuseGrid(fault);
}

function reasonFault(
  view: GridView,
  header: Contract,
  state: ContractState,
  { value, author, moment }: JudgedRecord<'grid.tombstone.1'>,
): GridCode | undefined {
  switch (value.reason) {
    case 'removed':
      return removedFault(view, header, state, author, moment);
    case 'replaced':
      return (
        actorFault(view, state.id, author, moment) ?? replacedFault(view, state, value, moment)
      );
    default:
      return unpaidFault(view, header, value, author, moment);
  }
}

function rangeFault(
  view: GridView,
  { obj, value }: JudgedRecord<'grid.tombstone.1'>,
): GridCode | undefined {
  const { workload, revision, reason, node } = value;
  const isUnpaid = reason === 'unpaid';
  if (isUnpaid !== (node !== undefined)) return 'TOMBSTONE_NODE';
  const former = view.current('grid.tombstone.1', obj);
  const { contract } = workloadParts(workload);
  const newest = view.current('grid.placement.1', contract)?.revision ?? 0;
  if (revision < (former?.revision ?? 0) || revision > newest) return 'TOMBSTONE_REVISION';
  const place = placeOf(view.workload(workload));
  const isPlaced = place !== undefined && revision >= place.from;
  return isPlaced && !isUnpaid ? 'TOMBSTONE_STILL_PLACED' : undefined;
}

function removedFault(
  view: GridView,
  { owner, policy }: Contract,
  { id, agreed }: ContractState,
  author: string,
  moment: Moment,
): GridCode | undefined {
  if (agreed.remove === undefined) return 'CONTRACT_QUORUM_MISSING';
  const bot = botBehind(view, author, 'device', moment);
  const isParty = policy.remove.some(({ signers }) => signers.some((one) => one === bot));
  return isParty || bot === owner ? undefined : actorFault(view, id, author, moment);
}

function replacedFault(
  view: GridView,
  state: ContractState,
  { workload }: Tombstone,
  { at }: Moment,
): GridCode | undefined {
  const data = openingOf(view, state, workloadParts(workload).role)?.role.data;
  if (data !== 'none' && data !== 'dispersed') return 'TOMBSTONE_LOCAL_DATA';
  const known = view.workload(workload);
  const place = placeOf(known);
  if (place === undefined) return 'TOMBSTONE_TOO_EARLY';
  const healthy = known?.healthy?.node === place.node ? known.healthy.moment : undefined;
  const since = knowsNode(view, place.node) ? healthy : place.moment;
  const isDue = since !== undefined && at - since.at >= successorHealthyMs;
  return isDue ? undefined : 'TOMBSTONE_TOO_EARLY';
}

function unpaidFault(
  view: GridView,
  header: Contract,
  { workload, node = '' as NodeId }: Tombstone,
  author: string,
  moment: Moment,
): GridCode | undefined {
  const place = view.workload(workload)?.places.findLast((one) => one.node === node);
  if (place === undefined) return 'TOMBSTONE_NODE';
  const isKnown = knowsNode(view, node);
  const farmer = farmBehind(view, node)?.owner;
  const isFarmer = farmer !== undefined && botBehind(view, author, 'device', moment) === farmer;
  if (isKnown && !isFarmer) return 'TOMBSTONE_NOT_FARMER';
  const lock = view.current('grid.lock.1', place.lock ?? '');
  const escrow = view.money('escrow', place.lock ?? '');
  if (lock === undefined || escrow === undefined) return isKnown ? 'TOMBSTONE_PAID' : undefined;
  const sinceMs = unpaidSinceMs(header, escrow);
  if (moment.at < sinceMs) return 'TOMBSTONE_PAID';
  return moment.at < sinceMs + keptUnpaidMs(header) ? 'TOMBSTONE_TOO_EARLY' : undefined;
}

/** How long data of a contract are kept at least that nobody pays for, ms of log time. */
export function keptUnpaidMs({ term }: Pick<Contract, 'term'>): number {
  return term.graceMs + unpaidNoticeMs;
}

/**
 * The log time from which on nobody pays for a place: the term is over, a placement ended it, or a record
 * in the log shows that its money is used up. None of them can be dated back.
 */
export function unpaidSinceMs(
  { term }: Pick<Contract, 'term'>,
  { place, emptySinceMs }: EscrowState,
): number {
  return Math.min(term.untilMs, place?.untilMs ?? Infinity, emptySinceMs ?? Infinity);
}
