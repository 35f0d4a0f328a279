import type { WorkloadId } from '@commongrid/model';
import type { Assignment } from '../assignment.ts';

/** What verified records want of one workload on this node. */
export type Wish =
  | { readonly is: 'running'; readonly assignment: Assignment }
  /** Processes end; everything else, data too, stays. */
  | { readonly is: 'paused' | 'stopped'; readonly id: WorkloadId; readonly revision: number }
  /** A verified tombstone names it: the data goes, too. */
  | { readonly is: 'deleted'; readonly id: WorkloadId; readonly revision: number };

/** What a node remembers of a workload that it once accepted. Never a secret. */
export type KnownWorkload = Omit<Assignment, 'secrets'>;

export function wishId(wish: Wish): WorkloadId {
  return wish.is === 'running' ? wish.assignment.id : wish.id;
}

/** An assignment for what only ends or goes: without secrets. */
export function assignmentOf(known: KnownWorkload): Assignment {
  return { ...known, secrets: new Map() };
}

export function knownOf({ secrets: _secrets, ...known }: Assignment): KnownWorkload {
  return known;
}
