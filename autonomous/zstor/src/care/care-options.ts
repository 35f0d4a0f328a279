import type { Clock, Logger } from '@commongrid/base';
import type { BackendPool } from '../backends/backend-pool.ts';
import type { Credit } from '../backends/credit.ts';
import type { ChunkIds } from '../blob/chunk-ids.ts';
import type { ChunkRecord } from '../blob/chunk-record.ts';
import type { Catalog } from '../catalog/catalog.ts';
import type { PlacementRules } from '../placement/placement-rules.ts';
import type { CodingThreads } from '../threads/coding-threads.ts';
import type { BackendTimes } from './backend-view.ts';
import type { CareStatus } from './care-status.ts';
import type { ScrubTimes } from './scrubbing.ts';

/** When and how fast care does what it does, where it is not the usual. */
export interface CareTimes extends BackendTimes, ScrubTimes {
  /** Default 192 MiB. */
  readonly repairBytesPerSecond?: number;
  /** Default 1 min. */
  readonly snapshotEveryMs?: number;
  /** Default 1 h. */
  readonly rebalanceEveryMs?: number;
  /** Default 10 min. */
  readonly firstStockMs?: number;
}

export interface CareOptions {
  readonly catalog: Catalog;
  readonly backends: BackendPool;
  readonly threads: CodingThreads;
  readonly budget: Credit;
  readonly ids: ChunkIds;
  /** Limits of farms and countries, and which backends may be used. */
  readonly limits: Omit<PlacementRules, 'dataShards' | 'parityShards'>;
  /** For a file that is there for a while. */
  readonly folder: string;
  /** Ids of the chunks that snapshots of the tables are in. */
  readonly snapshotChunks: () => readonly Uint8Array[];
  /** Those of the newest, as its pointer has them. */
  readonly snapshotRecords: () => readonly ChunkRecord[];
  /** Hears of backends that have a shard which was moved away. */
  readonly onLeft?: (backendNo: number) => void;
  readonly times?: CareTimes | undefined;
  readonly clock?: Clock;
  readonly logger?: Logger;
}

export interface RepairOptions {
  readonly signal: AbortSignal;
  readonly isHurried?: boolean;
  readonly onProgress?: (status: CareStatus) => void;
}
