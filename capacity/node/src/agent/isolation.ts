import { nodeStanding } from '@commongrid/model';
import type { Contract, ContractRole, GridView, NodeId, SealedAssignment } from '@commongrid/model';

/** How often a node looks whether something has to stand still, ms. */
export const isolationLookMs = 1_000;

/** What a node hears of the log, s. */
export interface Hearing {
  /** Age of the newest word on what is in the log. */
  readonly viewAgeSeconds: number;
  /** Since the node sent the last sign of life that the log's keeper took. */
  readonly silentSeconds: number;
}

/**
 * Whether a role that asked for it stands still on a node: a single writer while the node has no word
 * of the log, or shares its key with another machine. Signs of life decide beside the view: the
 * controller waits from when the last one came in, and a node can read on while its own words are lost.
 */
export function mustStandStill(
  view: Pick<GridView, 'current' | 'node'>,
  id: NodeId,
  { contract, role }: Pick<SealedAssignment, 'contract' | 'role'>,
  { viewAgeSeconds, silentSeconds }: Hearing,
): boolean {
  if (role.onIsolation !== 'stop') return false;
  const heal = view.current('grid.contract.1', contract)?.heal;
  const node = view.node(id);
  if (heal === undefined || node === undefined || nodeStanding(node) === 'cloned') return true;
  return Math.max(viewAgeSeconds, silentSeconds) * 1000 > isolationMs(heal, role);
}

/**
 * For how long a node may be cut off before it stops a role that asked for that, ms: its stop, which
 * begins with the next look, is over before the controller may start the replica elsewhere.
 */
export function isolationMs(
  { replaceAfterMs }: Pick<Contract['heal'], 'replaceAfterMs'>,
  role: Pick<ContractRole, 'workload'>,
): number {
  const graceMs = (role.workload.container?.stop.graceSeconds ?? 0) * 1000;
  return Math.max(0, replaceAfterMs / safety - graceMs - isolationLookMs);
}

/** How much later than this node's stop a controller starts it elsewhere: clocks go at other rates. */
const safety = 1.1;
