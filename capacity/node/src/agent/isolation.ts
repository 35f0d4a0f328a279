import type { Contract, ContractRole } from '@commongrid/model';

/**
 * For how long a node may have no word of the log before it stops a role that asked for that, ms: its
 * stop is over before the controller may start the replica elsewhere.
 */
export function isolationMs(
  { replaceAfterMs }: Pick<Contract['heal'], 'replaceAfterMs'>,
  role: Pick<ContractRole, 'workload'>,
): number {
  const graceMs = (role.workload.container?.stop.graceSeconds ?? 0) * 1000;
  return Math.max(0, replaceAfterMs / safety - graceMs);
}

/** How much later than this node's stop a controller starts it elsewhere. */
const safety = 1.1;
