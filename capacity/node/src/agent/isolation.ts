import { isolationMs, nodeStanding, resumeAfterMs } from '@commongrid/model';
import type { GridView, NodeId, SealedAssignment, WorkloadId } from '@commongrid/model';

/** What a node hears of the log. */
export interface Hearing {
  /** Age of the newest word on what is in the log, s. */
  readonly viewAgeSeconds: number;
  /** Since the node last had word while its own signs of life came in, s. */
  readonly cutOffSeconds: number;
  readonly monotonicMs: number;
}

/**
 * Which roles that asked for it stand still on a node: single writers while the node has no word of the
 * log, or shares its key with another machine. Signs of life decide beside the view: the controller
 * waits from when the last one came in, and a node can read on while its own words are lost.
 *
 * What stood still goes on once a move that somebody began before the node was heard again is in the
 * node's view, or will not come.
 */
export class Isolation {
  /** When a workload was found cut off last, by the monotonic clock. */
  readonly #cutOffMs = new Map<WorkloadId, number>();

  /** Whether a workload has to stand still now. */
  holds(
    view: Pick<GridView, 'current' | 'node'>,
    node: NodeId,
    assignment: Pick<SealedAssignment, 'id' | 'contract' | 'role'>,
    hearing: Hearing,
  ): boolean {
    const { id } = assignment;
    const { viewAgeSeconds, monotonicMs } = hearing;
    if (isCutOff(view, node, assignment, hearing)) {
      this.#cutOffMs.set(id, monotonicMs);
      return true;
    }
    const cutOffMs = this.#cutOffMs.get(id);
    if (cutOffMs === undefined) return false;
    if (monotonicMs - viewAgeSeconds * 1000 < cutOffMs + resumeAfterMs) return true;
    this.#cutOffMs.delete(id);
    return false;
  }
}

function isCutOff(
  view: Pick<GridView, 'current' | 'node'>,
  id: NodeId,
  { contract, role }: Pick<SealedAssignment, 'contract' | 'role'>,
  { cutOffSeconds }: Hearing,
): boolean {
  if (role.onIsolation !== 'stop') return false;
  const heal = view.current('grid.contract.1', contract)?.heal;
  const node = view.node(id);
  if (heal === undefined || node === undefined || nodeStanding(node) === 'cloned') return true;
  return cutOffSeconds * 1000 > isolationMs(heal, role);
}
