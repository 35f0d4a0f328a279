import type { WorkloadId } from '@commongrid/model';
import type { Observation } from '../driver.ts';
import type { Machine } from '../machine/machine.ts';
import type { NodeState } from '../reconcile/node-state.ts';

/** What there is of a workload; undefined for one that the node does not have, or cannot look at. */
export async function observeWorkload(
  state: NodeState,
  { drivers }: Pick<Machine, 'drivers'>,
  id: WorkloadId,
  signal: AbortSignal,
): Promise<Observation | undefined> {
  const known = state.workload(id)?.known;
  if (known === undefined) return undefined;
  return drivers.get(known.role.workload.kind)?.observe(known.key, signal);
}
