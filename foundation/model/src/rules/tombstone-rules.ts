import type { GridCode } from '../errors.ts';
import type { Contract } from '../records/contract.ts';
import type { Tombstone } from '../records/tombstone.ts';
import { placeOf } from './grid-state.ts';
import type { ContractState } from './grid-state.ts';
import { acceptGrid, knowsNode, refuseGrid, workloadParts } from './grid-view.ts';
import type { GridVerdict, GridView } from './grid-view.ts';
import type { Moment } from './identity-state.ts';
import type { JudgedRecord } from './identity-view.ts';
import { botBehind } from './keys.ts';
import { actorFault } from './lease-rules.ts';
import { openingOf } from './mandate.ts';

/** How long a successor is healthy before what it replaces may go, milliseconds of log time. */
export const successorHealthyMs = 24 * 3_600_000;

/**
 * Judges `grid.tombstone.1`: nothing else deletes data, so it never reaches what is placed, or what was
 * not placed yet.
 *
 * - `removed`: those who may remove the contract agreed to it; one of them says so, or its controller.
 * - `replaced`: by the controller, of data that is elsewhere too, once the successor was healthy for
 *   a day. A reader who is not told of the successor's health knows only for how long it is placed.
 * - `unpaid`: by nobody yet.
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
  const fault = rangeFault(view, value) ?? reasonFault(view, header, state, record);
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
      return actorFault(view, state.id, author) ?? replacedFault(view, state, value, moment);
    default:
      return 'TOMBSTONE_UNPAID_UNKNOWN';
  }
}

function rangeFault(view: GridView, { workload, revision }: Tombstone): GridCode | undefined {
  const former = view.current('grid.tombstone.1', workload);
  const { contract } = workloadParts(workload);
  const newest = view.current('grid.placement.1', contract)?.revision ?? 0;
  if (revision < (former?.revision ?? 0) || revision > newest) return 'TOMBSTONE_REVISION';
  const place = placeOf(view.workload(workload));
  return place !== undefined && revision >= place.from ? 'TOMBSTONE_STILL_PLACED' : undefined;
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
  return isParty || bot === owner ? undefined : actorFault(view, id, author);
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
