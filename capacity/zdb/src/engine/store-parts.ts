import { type Files, realFiles } from './files.ts';
import { SEGMENT_BYTES_MAX, SEGMENT_BYTES_MIN } from './format.ts';
import { Log } from './log.ts';
import { Namespaces } from './namespaces.ts';
import { RecordReader } from './record-reader.ts';
import type { Recovered, RecoveryEvent } from './recovery.ts';
import type { SegmentTable } from './segment-table.ts';
import type { StoreOptions } from './store.ts';

/** Block cache, bytes. */
const CACHE_BYTES_DEFAULT = 48 * 1024 * 1024;

/** What a store is made of, put together before there is one. */
export interface StoreParts {
  readonly table: SegmentTable;
  readonly log: Log;
  readonly reader: RecordReader;
  readonly namespaces: Namespaces;
  readonly recovery: readonly RecoveryEvent[];
  readonly checkpointSequence: number;
  /** Set once the store is made. */
  readonly hooks: { onRotate: () => void };
}

export function buildParts(
  options: StoreOptions,
  table: SegmentTable,
  recovered: Recovered,
): StoreParts {
  const hooks = { onRotate: () => {} };
  const files: Files = options.files ?? realFiles;
  const nowMs = options.nowMs ?? Date.now;
  const log = new Log(
    {
      files,
      table,
      durability: options.durability ?? 'always',
      segmentBytes: clampSegment(options.segmentBytes ?? SEGMENT_BYTES_MAX),
      onDurable: (sequence) => {
        table.durableSequence = sequence;
        options.onDurable?.(sequence);
      },
      onFailure: options.onFailure ?? (() => undefined),
      onRotate: () => hooks.onRotate(),
      nowMs,
    },
    recovered.lastSequence,
  );
  const reader = new RecordReader({
    files,
    log,
    cacheBytes: options.cacheBytes ?? CACHE_BYTES_DEFAULT,
    onDamage: options.onDamage ?? (() => undefined),
  });
  return {
    table,
    log,
    reader,
    namespaces: new Namespaces(undefined),
    recovery: recovered.events,
    checkpointSequence: recovered.checkpointSequence,
    hooks,
  };
}

function clampSegment(bytes: number): number {
  return Math.min(SEGMENT_BYTES_MAX, Math.max(SEGMENT_BYTES_MIN, bytes));
}
