import type { BotId, ContractId, KeyText, LockId, NodeId, WorkloadId } from '../fields.ts';
import type { Approval } from '../records/approval.ts';
import type { Moment } from './identity-state.ts';

/** Places of one workload that are remembered: the newest ones. */
export const workloadPlacesMax = 32;

/** What the rules remember of a contract. Plain JSON. */
export interface ContractState {
  readonly kind: 'contract';
  readonly id: ContractId;
  /** Approvals that nobody took back; those of what is agreed are no longer needed, and gone. */
  readonly votes: readonly ContractVote[];
  /** When the quorum of an action was complete: from then on it is so for good. */
  readonly agreed: { readonly [Name in AgreedAction]?: Moment };
  /** Slices that show a role, each by its object id. */
  readonly openings: readonly { readonly role: string; readonly slice: string }[];
  /** Replicas that were moved to other nodes, of the last hour before the newest placement. */
  readonly moves: readonly { readonly at: number; readonly count: number }[];
  /** The contract that everybody agreed to last as the one that replaces this one. */
  readonly successor?: ContractId;
  /** Another took its place, and nothing of it is placed any more: for good. */
  readonly isReplaced?: true;
  /** It replaced another, and gave its place back: for good. */
  readonly isRolledBack?: true;
}

/** Actions that come about once, by a quorum over the contract alone. */
export type AgreedAction = 'provision' | 'upgrade' | 'remove';

export interface ContractVote {
  readonly signer: BotId;
  readonly role: string;
  readonly action: Approval['action'];
  /** The key that signed. */
  readonly key: KeyText;
  readonly moment: Moment;
  readonly expMs: number;
}

/** What the rules remember of one replica of a role. Plain JSON. */
export interface WorkloadState {
  readonly kind: 'workload';
  readonly id: WorkloadId;
  /** Where it was placed, in order; the last one may be the present one. */
  readonly places: readonly WorkloadPlace[];
  /** The node of its present place last said that it is healthy, and nothing else since. */
  readonly healthy?: { readonly node: NodeId; readonly moment: Moment };
}

export interface WorkloadPlace {
  readonly node: NodeId;
  /** Revision of the placement that put it there. */
  readonly from: number;
  /** When that was. */
  readonly moment: Moment;
  /** By which the farm of another keeps room for it: the newest one. */
  readonly lock?: LockId;
  /** The first revision that has it there no more. */
  readonly until?: number;
}

export type GridState = ContractState | WorkloadState;

/** Where a workload is placed now. */
export function placeOf(state: WorkloadState | undefined): WorkloadPlace | undefined {
  const last = state?.places.at(-1);
  return last?.until === undefined ? last : undefined;
}
