import type { GridError } from '@commongrid/base';
import type { ZdbErrorCode } from '../errors.ts';
import type { Files } from '@commongrid/files';
import type { Durability } from './log/log.ts';
import type { Segment } from './log/segment.ts';
import type { NamespaceMode } from './namespace.ts';
import type { HourWindow } from './upkeep/hour-window.ts';
import type { BadRecord } from './upkeep/scrubber.ts';

/** How a store is opened. */
export interface StoreOptions {
  readonly folder: string;
  readonly files?: Files;
  readonly durability?: Durability;
  /** Largest segment, bytes; clamped to 1-256 MiB. */
  readonly segmentBytes?: number;
  readonly cacheBytes?: number;
  /** Mode of the default namespace in a new folder. */
  readonly mode?: NamespaceMode;
  readonly isReadOnly?: boolean;
  /** Everything comes from a master; nothing is written by the store itself. */
  readonly isReplica?: boolean;
  /** Identity of the log in a new folder: a replica takes its master's. Random otherwise. */
  readonly logId?: bigint;
  readonly nowMs?: () => number;
  readonly monotonicMs?: () => number;
  /** The clock is more than a day ahead of what can be believed: nothing grows old by it. */
  readonly onClockAhead?: (aheadMs: number) => void;
  readonly onDurable?: (sequence: number) => void;
  /** Records up to this one are in their files, synced or not. */
  readonly onWritten?: (sequence: number) => void;
  readonly onFailure?: (error: GridError<ZdbErrorCode>) => void;
  readonly onSealed?: (segment: Segment) => void;
  /** A job behind the scenes failed; the store goes on. */
  readonly onError?: (error: unknown, job: string) => void;
  /** Scrub: bytes read in a second, and when it reads. */
  readonly scrubBytesPerSecond?: number;
  readonly scrubWindow?: HourWindow;
  /** When compaction runs that is not urgent: room that somebody needs is won at any hour. */
  readonly compactWindow?: HourWindow;
  readonly onBadRecord?: (bad: BadRecord) => void;
  readonly onDamage?: (segment: Segment, offset: number, error: GridError) => void;
}
