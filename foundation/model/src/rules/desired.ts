import type { GridCode } from '../errors.ts';
import type { Hash, LockId, NodeId, WorkloadId } from '../fields.ts';
import type { RecordOf, RecordUrl } from '../record-types.ts';
import type { ContractRole } from '../records/contract-role.ts';
import type { Slice } from '../records/slice.ts';
import { placeOf } from './grid-state.ts';
import { buriedRevision, workloadIdOf, workloadParts } from './grid-view.ts';
import type { GridView } from './grid-view.ts';
import { lockOf } from './lock-rules.ts';
import { verifySlice } from './verify-slice.ts';
import type { NodeNow, SealedAssignment } from './verify-slice.ts';
import { paidUntilBy } from './wallet-metering.ts';
import type { UntoldReceipt } from './wallet-metering.ts';

/** How long what leaves a node that drains runs beside its successor at most, ms of log time. */
export const drainOverlapMs = 300_000;

/** A view whose objects can be gone through. */
export interface GridObjects extends GridView {
  /** Current payloads of a type. */
  objects<Url extends RecordUrl>(url: Url): Iterable<RecordOf<Url>>;
  /** The slice that a placement names so, though its node has been told of another since. */
  slice(hash: Hash): Slice | undefined;
}

/** What a workload is to be on a node. */
export type Desired = {
  readonly workload: WorkloadId;
  /** Of its slice on this node; 0 while the node has none. */
  readonly revision: number;
} & (
  | { readonly be: 'run'; readonly assignment: SealedAssignment }
  /** Nothing new is started of it, for this reason; what runs of an earlier revision goes on. */
  | { readonly be: 'refused'; readonly code: GridCode }
  /** Term or money, and grace, are over: it stands still, and its data stay. */
  | { readonly be: 'pause'; readonly code: 'CONTRACT_TERM_OVER' | 'ESCROW_EMPTY' }
  /** It is no longer placed here. Its data stay. */
  | { readonly be: 'stop' }
  /** Its data may be deleted, up to this revision. */
  | { readonly be: 'remove' }
);

export interface DesiredNow extends Omit<NodeNow, 'isFirstStart'> {
  readonly isFirstStart: (workload: WorkloadId, revision: number) => boolean;
  /**
   * Whether the node drains, by its own word, or was let go by its farm. The reason of a placement is the word of
   * the tenant alone, who would run twice what he pays for once.
   */
  readonly isLeaving: boolean;
  /** Receipts of the node that the log may not have yet, in their order. Default: it has them all. */
  readonly untold?: (lock: LockId) => readonly UntoldReceipt[];
}

/**
 * All workloads that a node has, or once had, to do with, and what each is to be; by id. A workload that
 * is not among them is nobody's: nothing here says that it may be stopped or deleted.
 */
export function desiredOf(
  view: GridObjects,
  node: NodeId,
  now: DesiredNow,
): ReadonlyMap<WorkloadId, Desired> {
  const told = new Map<WorkloadId, number>();
  for (const slice of view.objects('grid.slice.1')) {
    if (slice.node === node) told.set(slice.workload, slice.revision);
  }
  const placed = new Map<WorkloadId, Slice | undefined>();
  for (const { contract, items } of view.objects('grid.placement.1')) {
    for (const { role, replica, node: place, slice } of items) {
      if (place !== node) continue;
      placed.set(workloadIdOf(contract, role, replica), view.slice(slice));
    }
  }
  const desired = new Map<WorkloadId, Desired>();
  for (const workload of [...new Set([...told.keys(), ...placed.keys()])].toSorted()) {
    const one = placed.has(workload)
      ? placedBy(view, workload, placed.get(workload), now)
      : formerBy(view, node, workload, told.get(workload) ?? 0, now);
    if (one !== undefined) desired.set(workload, one);
  }
  return desired;
}

function placedBy(
  view: GridView,
  workload: WorkloadId,
  slice: Slice | undefined,
  now: DesiredNow,
): Desired {
  if (slice === undefined) return { workload, revision: 0, be: 'refused', code: 'SLICE_MISSING' };
  const { revision } = slice;
  if (slice.workload !== workload)
    return { workload, revision, be: 'refused', code: 'SLICE_MISMATCH' };
  const unpaid = view.current('grid.tombstone.1', `${slice.node}/${workload}`);
  if (unpaid !== undefined && revision <= unpaid.revision) {
    return { workload, revision, be: 'remove' };
  }
  const term = view.current('grid.contract.1', slice.contract)?.term;
  if (term !== undefined && now.at >= term.untilMs + term.graceMs) {
    return { workload, revision, be: 'pause', code: 'CONTRACT_TERM_OVER' };
  }
  if (term !== undefined && isUnpaid(view, slice, now, term.graceMs)) {
    return { workload, revision, be: 'pause', code: 'ESCROW_EMPTY' };
  }
  const isFirstStart = now.isFirstStart(workload, revision);
  const verdict = verifySlice(view, slice, { ...now, isFirstStart });
  if (verdict.code !== undefined) return { workload, revision, be: 'refused', code: verdict.code };
  return { workload, revision, be: 'run', assignment: verdict.assignment };
}

/** Whether the money for a place on the farm of another was used up so long ago. */
function isUnpaid(
  view: GridView,
  { node, contract, workload }: Slice,
  { at, untold }: DesiredNow,
  graceMs: number,
): boolean {
  const { role, replica } = workloadParts(workload);
  const items = view.current('grid.placement.1', contract)?.items ?? [];
  const item = items.find((one) => one.role === role && one.replica === replica);
  const lock = item?.node === node ? lockOf(view, { ...item, contract }) : undefined;
  const owner = view.current('grid.contract.1', contract)?.owner;
  if (lock === undefined || lock.farmer === owner) return false;
  const escrow = view.money('escrow', lock.id);
  if (escrow === undefined) return false;
  return at - graceMs >= (paidUntilBy(lock, escrow, untold?.(lock.id) ?? []) ?? Infinity);
}

/**
 * What was placed on the node once; what it was told of and never given is nothing yet, and what leaves the node
 * while that drains goes on until its successor is settled.
 */
function formerBy(
  view: GridView,
  node: NodeId,
  workload: WorkloadId,
  told: number,
  { at, isLeaving }: DesiredNow,
): Desired | undefined {
  const last = view.workload(workload)?.places.findLast((place) => place.node === node);
  if (last === undefined) return undefined;
  // A slice that came when it was to go never counted here.
  const revision = Math.min(told, (last.until ?? told + 1) - 1);
  const isBuried = revision > 0 && revision <= buriedRevision(view, workload, node);
  const mayGoOn = isLeaving && !isBuried && last.until !== undefined;
  if (mayGoOn && at < settlesAtMs(view, node, workload, last.until)) return undefined;
  return { workload, revision, be: isBuried ? 'remove' : 'stop' };
}

/**
 * Until when a replica that leaves a node which drains runs beside its successor, ms of log time; 0 for
 * others. The next placement of the contract, whatever is in it, ends that earlier.
 * @param until the placement by which it left
 */
function settlesAtMs(view: GridView, node: NodeId, workload: WorkloadId, until: number): number {
  const { contract } = workloadParts(workload);
  const placement = view.current('grid.placement.1', contract);
  if (placement?.reason !== 'drain' || placement.revision !== until) return 0;
  const next = placeOf(view.workload(workload));
  const role = view.current('grid.slice.1', `${node}/${workload}`)?.opening.role;
  const isSuccessor = next?.from === until && role !== undefined && mayOverlap(role);
  return isSuccessor ? next.moment.at + drainOverlapMs : 0;
}

/** Whether two of a replica may run for a while: it has no data, and goes on where it is cut off. */
export function mayOverlap({ data, onIsolation }: ContractRole): boolean {
  return data === 'none' && onIsolation === 'keep';
}
