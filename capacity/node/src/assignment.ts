import type { SealedAssignment } from '@commongrid/model';

/** What one workload of this node has to be, verified against contract, approvals and placement. */
export interface Assignment extends Omit<SealedAssignment, 'secrets'> {
  /** `shortIdOf(id)`: its name on this machine. */
  readonly key: string;
  /**
   * The contract's secrets that the role uses, by name, opened and held to their commitments. They
   * are in memory only: empty where a workload is stopped or taken away.
   */
  readonly secrets: ReadonlyMap<string, string>;
  /** Single writers alone: nothing of it may run once the node was not heard for so long, ms. */
  readonly cutOffMs?: number;
}
