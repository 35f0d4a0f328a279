import { GridError, systemClock } from '@commongrid/base';
import type { Clock } from '@commongrid/base';
import { Credit } from '../backends/credit.ts';
import type { ChunkPolicy } from '../chunk/policy.ts';
import { valueBytesOf } from '../chunk/shard.ts';
import type { ZstorErrorCode } from '../errors.ts';

/** Memory of all streams together. */
const streamBytesMax = 512 * 2 ** 20;
/** How long a stream waits for memory. */
const creditWaitMs = 5_000;
/** Chunks of a stream in memory at a time, being made, sent or read. */
export const streamChunksMax = 3;
/** Chunks are read ahead only while half of the memory stays for streams that begin. */
export const keptPart = 0.5;

export interface StreamBudgetOptions {
  /** Default 512 MiB. */
  readonly totalBytes?: number | undefined;
  /** Default 5 s. */
  readonly waitMs?: number | undefined;
  readonly clock?: Clock;
}

/** The one budget for the memory of streams. Its refusal is ZSTOR_SLOW_DOWN. */
export function openStreamBudget(options: StreamBudgetOptions = {}): Credit {
  const { totalBytes = streamBytesMax, waitMs = creditWaitMs, clock = systemClock } = options;
  return new Credit({ totalBytes, waitMs, refusal: slowDown, clock });
}

/** Memory that a chunk takes while it is written: its plaintext, and all its shards. */
export function writeBytesOf(policy: ChunkPolicy, plaintextBytes: number): number {
  const { dataShards, parityShards } = policy;
  return plaintextBytes + (dataShards + parityShards) * valueBytesOf(plaintextBytes, dataShards);
}

function slowDown(): GridError<ZstorErrorCode> {
  return new GridError('ZSTOR_SLOW_DOWN', 'too many streams are under way', {
    hint: 'try again in some seconds, with fewer at a time',
    retryable: true,
  });
}
