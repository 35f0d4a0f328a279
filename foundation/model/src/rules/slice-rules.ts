import type { GridCode } from '../errors.ts';
import type { Contract } from '../records/contract.ts';
import type { Slice } from '../records/slice.ts';
import { deriveSlice, openingHash, sliceHash } from './derive-slice.ts';
import type { ContractState } from './grid-state.ts';
import { acceptGrid, isWhole, refuseGrid, workloadIdOf, workloadParts } from './grid-view.ts';
import type { GridVerdict, GridView } from './grid-view.ts';
import type { JudgedRecord } from './identity-view.ts';
import { actorFault } from './lease-rules.ts';
import { replicaFault, spreadFault } from './mandate.ts';

/**
 * Judges `grid.slice.1`: what the holder of the contract's lease lets one node know. It is of the
 * newest placement or the next one; what was sealed can be sealed anew under any revision.
 */
export function judgeSlice(
  view: GridView,
  { obj, value, author, moment }: JudgedRecord<'grid.slice.1'>,
): GridVerdict {
  const header = view.current('grid.contract.1', value.contract);
  const state = view.contract(value.contract);
  if (header === undefined || state === undefined) return refuseGrid('SLICE_CONTRACT_UNKNOWN');
  const fault =
    actorFault(view, value.contract, author, moment) ??
    contentFault(header, value) ??
    revisionFault(view, obj, value);
  if (fault !== undefined) return refuseGrid(fault);
  const { name } = value.opening.role;
  if (state.openings.some(({ role }) => role === name)) return acceptGrid();
  const placed = shownFault(view, value);
  if (placed !== undefined) return refuseGrid(placed);
  return acceptGrid(withOpening(state, name, obj));
}

/** Whether a slice is what follows from the header and what it shows of a role. */
export function contentFault(header: Contract, slice: Slice): GridCode | undefined {
  let known = contentFaults.get(slice);
  if (known?.header !== header) {
    known = { header, fault: findContentFault(header, slice) };
    contentFaults.set(slice, known);
  }
  return known.fault;
}

/** Neither changes what is in it, and a node asks about the same ones again and again. */
const contentFaults = new WeakMap<Slice, { header: Contract; fault: GridCode | undefined }>();

function findContentFault(header: Contract, slice: Slice): GridCode | undefined {
  const { opening, node, revision, contract, workload, secrets } = slice;
  const { role } = opening;
  const listed = header.roles.find(({ name }) => name === role.name);
  if (listed?.hash !== openingHash(opening)) return 'SLICE_OPENING_MISMATCH';
  const { replica } = workloadParts(workload);
  if (workload !== workloadIdOf(contract, role.name, replica)) return 'SLICE_WORKLOAD_MISMATCH';
  if (replica >= role.replicas) return 'PLACEMENT_REPLICA_UNKNOWN';
  const isListed = ({ name }: { readonly name: string }) =>
    header.secrets.some((secret) => secret.name === name);
  if (!secrets.every(isListed)) return 'SLICE_SECRET_UNKNOWN';
  const derived = deriveSlice(header, opening, { replica, node, revision }, contract);
  const isDerived = derived !== undefined && sliceHash(derived) === sliceHash(slice);
  return isDerived ? undefined : 'SLICE_MISMATCH';
}

function revisionFault(view: GridView, obj: string, slice: Slice): GridCode | undefined {
  const former = view.current('grid.slice.1', obj);
  if (former !== undefined) {
    if (slice.revision < former.revision) return 'SLICE_REVISION';
    if (sliceHash(former) === sliceHash(slice)) return undefined;
  }
  const newest = view.current('grid.placement.1', slice.contract)?.revision ?? 0;
  if (slice.revision < newest) return 'SLICE_REVISION';
  return isWhole(view) && slice.revision > newest + 1 ? 'SLICE_REVISION' : undefined;
}

/** A placement that came before its role was known is held to the role now. */
function shownFault(view: GridView, { contract, opening }: Slice): GridCode | undefined {
  const { role } = opening;
  const items = view.current('grid.placement.1', contract)?.items ?? [];
  const own = items.filter((item) => item.role === role.name);
  return replicaFault(role, own) ?? spreadFault(view, role, own);
}

function withOpening(state: ContractState, role: string, slice: string): ContractState {
  return { ...state, openings: [...state.openings, { role, slice }] };
}
