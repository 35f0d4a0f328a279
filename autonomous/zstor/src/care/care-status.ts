import type { BackendState } from '../backends/backend.ts';
import type { BackendUse } from '../stor/backend-tables.ts';
import type { BackendClass } from './backend-view.ts';
import type { RebalanceCounts } from './rebalance.ts';
import type { RepairCounts } from './repairer.ts';
import type { Scrubbing } from './scrubbing.ts';

export interface BackendStatus {
  readonly no: number;
  readonly name: string;
  readonly use: BackendUse;
  /** Undefined when it is in the backends file no more. */
  readonly state: BackendState | undefined;
  readonly class: BackendClass;
  /** Shards that records name there, when they were last looked through. */
  readonly shards: number;
  readonly usedBytes: number;
  readonly freeBytes: number;
  /** It takes shards; one that is full, refuses them, or is being emptied does not. */
  readonly isWritable: boolean;
}

export interface CareStatus {
  readonly isServing: boolean;
  /** When all records were last looked through. */
  readonly chunks: number;
  /** Chunks with shards that are missing, or not where they should be. */
  readonly needyChunks: number;
  /** Of those, chunks that cannot be read now. */
  readonly unreadableChunks: number;
  /** Shards that are missing. */
  readonly missingShards: number;
  /** Chunks that wait for repair, or are being repaired. */
  readonly pending: number;
  /** Since this head serves. */
  readonly repaired: RepairCounts;
  /** Moved because backends were filled unevenly, since this head serves. */
  readonly rebalanced: RebalanceCounts;
  /** The pass over all shards that runs, and the last one. */
  readonly scrub: Scrubbing['status'];
  readonly backends: readonly BackendStatus[];
  /**
   * Names of the namespaces that the store still needs something of: what records named when they were last
   * looked through, members of the log, holders of keys.
   */
  readonly needed: readonly string[];
  /** Members of the catalogue's log, and how many of them answer and have all of it. */
  readonly log: { readonly members: number; readonly inStep: number };
}
