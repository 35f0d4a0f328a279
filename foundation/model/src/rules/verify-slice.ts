import type { GridCode } from '../errors.ts';
import type { BotId, ContractId, Hash, WorkloadId } from '../fields.ts';
import type { Contract } from '../records/contract.ts';
import type { ContractRole } from '../records/contract-role.ts';
import type { Slice } from '../records/slice.ts';
import { agreementFault, isHalted } from './approval-rules.ts';
import { sliceHash } from './derive-slice.ts';
import type { ContractState } from './grid-state.ts';
import { isGranted, workloadParts } from './grid-view.ts';
import type { GridView } from './grid-view.ts';
import { hostFault, lockFault, termFault } from './placement-rules.ts';
import { contentFault } from './slice-rules.ts';
import { successionFault } from './succession.ts';

/** The oldest view by which something new may be started, seconds. */
export const startViewAgeSecondsMax = 30;

/** What a node knows of the time when it acts. */
export interface NodeNow {
  /** Log time, milliseconds since 1970. */
  readonly at: number;
  /** How long ago the sequencer said that the view is whole. */
  readonly viewAgeSeconds: number;
  /** Whether this node never started this revision before. */
  readonly isFirstStart: boolean;
}

/** What one node has to run, verified; its secrets are still sealed. */
export interface SealedAssignment {
  readonly id: WorkloadId;
  /** Of the slice: it grows whenever anything about the workload changes. */
  readonly revision: number;
  readonly contract: ContractId;
  /** Owner of the contract. */
  readonly tenant: BotId;
  readonly role: ContractRole;
  readonly replica: number;
  readonly addresses: Slice['addresses'];
  /** What the node opens, and holds to the commitment of the contract. */
  readonly secrets: readonly {
    readonly name: string;
    readonly box: string;
    readonly commit: Hash;
  }[];
  /** The farmer allows it more than a container may. */
  readonly isElevated: boolean;
}

export type SliceVerdict =
  | { readonly assignment: SealedAssignment; readonly code?: undefined }
  | { readonly code: GridCode; readonly assignment?: undefined };

/**
 * What a node checks before it runs a slice. Records of the view were judged when they came in, so that
 * what is asked here is whether they still say so, and belong together.
 *
 * 1. To start a revision for the first time, the view is at most 30 s old.
 * 2. The newest placement has this workload on this node, as exactly this slice.
 * 3. The slice follows from header and placement, and shows the role that was signed.
 * 4. Owner and policy agreed. For a first start: nobody halted it, no other contract took its place, it
 *    is inside its term, the placement has not lapsed, the node is in service, and the farm of another
 *    keeps room for it.
 *
 * 5. For a first start on the farm of another, the lock is funded and covers the next period.
 *
 * What ran before goes on over a halt, a lapse and a lock that ended. Whether the revision is above the
 * last one that was applied, the node knows itself.
 */
export function verifySlice(view: GridView, slice: Slice, now: NodeNow): SliceVerdict {
  if (now.isFirstStart && now.viewAgeSeconds > startViewAgeSecondsMax)
    return { code: 'VIEW_STALE' };
  const header = view.current('grid.contract.1', slice.contract);
  const state = view.contract(slice.contract);
  if (header === undefined || state === undefined) return { code: 'SLICE_CONTRACT_UNKNOWN' };
  const code =
    placeFault(view, slice) ??
    contentFault(header, slice) ??
    agreementFault(view, header, state) ??
    (now.isFirstStart ? startFault(view, header, state, slice, now) : undefined);
  return code === undefined ? { assignment: assignmentOf(view, header, slice, now.at) } : { code };
}

function placeFault(view: GridView, slice: Slice): GridCode | undefined {
  const item = itemOf(view, slice);
  if (item?.node !== slice.node) return 'SLICE_NOT_PLACED';
  return item.slice === sliceHash(slice) ? undefined : 'SLICE_MISMATCH';
}

function startFault(
  view: GridView,
  header: Contract,
  state: ContractState,
  slice: Slice,
  { at }: NodeNow,
): GridCode | undefined {
  const item = itemOf(view, slice);
  const placement = view.current('grid.placement.1', slice.contract);
  if (item === undefined || placement === undefined) return 'SLICE_NOT_PLACED';
  // Between records: after all of them.
  if (isHalted(view, state, { seq: Number.MAX_SAFE_INTEGER, at })) return 'CONTRACT_HALTED';
  const isNew = slice.revision === placement.revision;
  if (isNew && at >= placement.expMs) return 'PLACEMENT_EXPIRED';
  const place = { ...item, contract: slice.contract };
  return (
    successionFault(view, header, state) ??
    termFault(header, state, { at }) ??
    hostFault(view, slice) ??
    lockFault(view, place, header, at)
  );
}

function itemOf(view: GridView, { contract, workload }: Slice) {
  const { role, replica } = workloadParts(workload);
  const items = view.current('grid.placement.1', contract)?.items ?? [];
  return items.find((item) => item.role === role && item.replica === replica);
}

function assignmentOf(
  view: GridView,
  header: Contract,
  { node, contract, workload, revision, opening: { role }, addresses, secrets }: Slice,
  at: number,
): SealedAssignment {
  const sealed = secrets.flatMap(({ name, box }) => {
    const commit = header.secrets.find((secret) => secret.name === name)?.commit;
    return commit === undefined ? [] : [{ name, box, commit }];
  });
  return {
    ...{ id: workload, revision, contract, tenant: header.owner, role, addresses },
    replica: workloadParts(workload).replica,
    secrets: sealed,
    isElevated: isGranted(view, { node, contract, role: role.name }, at),
  };
}
