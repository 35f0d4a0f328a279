import { FolderLock } from '@commongrid/base';

import type { FactStore } from '../machine/machine.ts';
import type { LinuxMachine } from '../machine/linux-machine.ts';
import { NodeState } from '../reconcile/node-state.ts';
import { dropWitness } from '../release/release-witness.ts';
import { assignmentOf } from '../reconcile/wish.ts';

export interface LeaveNodeOptions {
  /** Of the node. */
  readonly folder: string;
  readonly openMachine: (facts: FactStore) => Promise<LinuxMachine>;
}

/**
 * Takes a node that has no agent out of the kernel: containers end, as their contracts want it, and
 * nothing stays mounted. Data stay, and the next agent makes the rest again.
 * @throws BASE_FOLDER_LOCKED while the agent runs
 */
export async function leaveNode({ folder, openMachine }: LeaveNodeOptions): Promise<void> {
  await using _lock = await FolderLock.open(folder);
  using state = NodeState.open(folder);
  dropWitness(state);
  await using machine = await openMachine(state);
  const context = { signal: new AbortController().signal, progress: (): void => {} };
  const containers = state.workloads().filter(({ known }) => {
    return known.role.workload.kind === 'container';
  });
  // What does not end so is ended by what follows.
  await Promise.allSettled(
    containers.map(({ known }) => machine.containers.stop(assignmentOf(known))),
  );
  await machine.leave(context);
}
