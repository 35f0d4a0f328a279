import {
  buriedRevision,
  isHalted,
  paidUntilMs,
  signaturesOf,
  workloadIdOf,
} from '@commongrid/model';
import type {
  Contract,
  ContractId,
  ContractState,
  Event,
  GridObjects,
  Moment,
  NodeId,
  Placement,
  PlacementItem,
  SignatureLine,
  WorkloadId,
} from '@commongrid/model';
import { canStillPass } from './signing.ts';

/** How far a contract is. `halted` and what blocks it stand beside this. */
export type ContractPhase =
  | 'proposed' // nobody signed yet
  | 'signing' // some have signed
  | 'agreed' // nothing is kept for it yet
  | 'locked' // farms keep room for it
  | 'funded' // and escrows pay for all of it
  | 'provisioning' // placed for the first time, not all of it runs
  | 'running'
  | 'healing' // something that ran does not, or was placed anew
  | 'upgrading'
  | 'paused' // term and grace are over, or another has its place: it stands still, and its data stay
  | 'removing'
  | 'closed'; // all of its data may be gone, or were given up as unpaid, and nothing of it comes back

export interface ContractStatus {
  readonly id: ContractId;
  readonly name: string;
  readonly phase: ContractPhase;
  readonly isHalted: boolean;
  /** So many said no that those who are left cannot agree to it. */
  readonly isRejected: boolean;
  /** What it waits for while it is signed. */
  readonly signatures: readonly SignatureLine[];
  /** Workloads that run as they should, of all that are placed. */
  readonly readyCount: number;
  readonly workloads: readonly WorkloadStatus[];
}

export interface WorkloadStatus {
  readonly id: WorkloadId;
  readonly role: string;
  readonly replica: number;
  readonly node: NodeId;
  readonly isReady: boolean;
  /** What its node last said of it; undefined before it said anything. */
  readonly event: Pick<Event, 'phase' | 'code' | 'message' | 'hint' | 'at'> | undefined;
  /**
   * Log time up to which its place is paid if all goes well, ms since 1970; undefined where nobody has
   * to pay, or nothing is paid yet.
   */
  readonly paidUntilMs: number | undefined;
}

/**
 * What the records of a contract come to; nothing stores it. Undefined where there is no such contract.
 * @param now place in the log and log time up to which the view goes
 */
export function contractStatus(
  view: GridObjects,
  id: ContractId,
  now: Moment,
): ContractStatus | undefined {
  const header = view.current('grid.contract.1', id);
  const state = view.contract(id);
  if (header === undefined || state === undefined) return undefined;
  const placement = view.current('grid.placement.1', id);
  const workloads = placement?.items.map((item) => workloadStatus(view, placement, item)) ?? [];
  const signatures = openSignatures(view, header, state, now);
  const ready = workloads.filter(({ isReady }) => isReady);
  const phase =
    state.agreed.remove === undefined
      ? livingPhase(
          view,
          { header, state, placement, signatures, isReady: ready.length === workloads.length },
          now,
        )
      : endPhase(view, id);
  return {
    ...{ id, name: header.name, phase, signatures, workloads },
    isHalted: isHalted(view, state, now),
    isRejected: signatures.length > 0 && !canPass(view, header, id, now),
    readyCount: ready.length,
  };
}

interface Standing {
  readonly header: Contract;
  readonly state: ContractState;
  readonly placement: Placement | undefined;
  readonly signatures: readonly SignatureLine[];
  /** All that is placed runs as it should. */
  readonly isReady: boolean;
}

function livingPhase(
  view: GridObjects,
  { header, state, placement, signatures, isReady }: Standing,
  { at }: Moment,
): ContractPhase {
  if (signatures.length > 0) {
    return signatures.some(({ signed }) => signed.length > 0) ? 'signing' : 'proposed';
  }
  const isOver = at >= header.term.untilMs + header.term.graceMs;
  const hasNoPlace = state.isReplaced === true || state.isRolledBack === true;
  if (isOver || hasNoPlace) return isBuried(view, state.id) ? 'closed' : 'paused';
  if (placement === undefined) return moneyPhase(view, state.id, at);
  if (isReady) return 'running';
  if (placement.reason === 'initial') return 'provisioning';
  const isUpgrade = placement.reason === 'upgrade' || placement.reason === 'rollback';
  return isUpgrade ? 'upgrading' : 'healing';
}

function moneyPhase(view: GridObjects, contract: ContractId, at: number): ContractPhase {
  const isFunded = ({ id }: { readonly id: string }): boolean =>
    view.current('grid.escrow.1', id) !== undefined;
  const locks = [...view.objects('grid.lock.1')].filter((lock) => {
    return lock.contract === contract && (at < lock.expiresMs || isFunded(lock));
  });
  if (locks.length === 0) return 'agreed';
  return locks.every(isFunded) ? 'funded' : 'locked';
}

/** Closed is what has nothing placed, and a tombstone for each workload that ever was. */
function endPhase(view: GridObjects, id: ContractId): ContractPhase {
  const placement = view.current('grid.placement.1', id);
  if ((placement?.items.length ?? 0) > 0) return 'removing';
  return isBuried(view, id) ? 'closed' : 'removing';
}

/** Whether tombstones cover all that nodes were ever told of a contract, each where it counts. */
function isBuried(view: GridObjects, id: ContractId): boolean {
  const told = [...view.objects('grid.slice.1')].filter(({ contract }) => contract === id);
  return told.every(({ workload, node, revision }) => {
    return buriedRevision(view, workload, node) >= revision;
  });
}

function workloadStatus(
  view: GridObjects,
  { contract }: Placement,
  { role, replica, node, slice, lock }: PlacementItem,
): WorkloadStatus {
  const id = workloadIdOf(contract, role, replica);
  const told = view.slice(slice);
  const last = view.current('grid.event.1', `${node}/${id}`);
  // An earlier revision may have ended well.
  const event = last !== undefined && last.revision >= (told?.revision ?? 0) ? last : undefined;
  // Given up there as unpaid: the node deletes it, whatever it said before.
  const isReady =
    event?.phase === 'healthy' && buriedRevision(view, id, node) < (told?.revision ?? 0);
  return { id, role, replica, node, isReady, event, paidUntilMs: paidFor(view, lock) };
}

function paidFor(view: GridObjects, id: PlacementItem['lock']): number | undefined {
  const lock = id && view.current('grid.lock.1', id);
  const escrow = id && view.money('escrow', id);
  return lock && escrow && paidUntilMs(lock, escrow);
}

function canPass(view: GridObjects, header: Contract, id: ContractId, now: Moment): boolean {
  return signedActions(header).every((action) => {
    const isAgreed = view.contract(id)?.agreed[action] !== undefined;
    return isAgreed || canStillPass(view, id, action, now);
  });
}

/** What has to be agreed to before anything of a contract is placed. */
function signedActions({ replaces }: Contract): readonly ('provision' | 'upgrade')[] {
  return replaces === undefined ? ['provision'] : ['provision', 'upgrade'];
}

/** The lines that an action waits for: of an upgrade also what those of the former contract say. */
function openSignatures(
  view: GridObjects,
  header: Contract,
  { id }: ContractState,
  now: Moment,
): readonly SignatureLine[] {
  return signedActions(header).flatMap((action) => {
    const lines = signaturesOf(view, id, action, now);
    return lines === undefined || lines === 'agreed' ? [] : lines;
  });
}
