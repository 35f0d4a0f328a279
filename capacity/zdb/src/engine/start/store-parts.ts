import { randomBytes } from 'node:crypto';
import { readCheckpoint } from '../keys/checkpoint.ts';
import type { AgeClock } from '../upkeep/age-clock.ts';
import { orphans } from '../upkeep/compactor.ts';
import { makeFolder, realFiles, syncFolder } from '@commongrid/files';
import { SEGMENT_BYTES_MAX, SEGMENT_BYTES_MIN } from '../log/format.ts';
import { History } from '../reading/history.ts';
import { KeyHasher } from '../keys/key-hash.ts';
import { Locator } from '../reading/locator.ts';
import { Log } from '../log/log.ts';
import { Maintenance } from '../upkeep/maintenance.ts';
import { loadNamespaces } from './namespace-loader.ts';
import { Namespaces } from '../namespaces.ts';
import { RecordReader } from '../reading/record-reader.ts';
import { type Recovered, recover, type RecoveryEvent } from './recovery.ts';
import { Scrubber } from '../upkeep/scrubber.ts';
import { SegmentTable } from '../log/segment-table.ts';
import type { StoreOptions } from '../store-options.ts';

/** Block cache, bytes. */
const CACHE_BYTES_DEFAULT = 48 * 1024 * 1024;

/** Scrub, bytes a second: a fifth of what a hard disk reads. */
const SCRUB_BYTES_PER_SECOND = 32 * 1024 * 1024;

/** What a store is made of. */
export interface StoreParts {
  readonly table: SegmentTable;
  readonly log: Log;
  readonly reader: RecordReader;
  readonly namespaces: Namespaces;
  readonly locator: Locator;
  readonly history: History;
  readonly maintenance: Maintenance;
  readonly scrubber: Scrubber;
  readonly recovery: readonly RecoveryEvent[];
}

export interface OpenContext {
  readonly isReadOnly: boolean;
  /** Shows nothing that came after this record. */
  readonly upTo?: number;
  /** Deletions above this sequence stay, for replicas that have not passed them. */
  readonly deletionsUpTo: () => number;
  readonly onDurable: (sequence: number) => void;
  /** Numbers of namespaces below this one have been given out. */
  readonly numbersGiven: () => number;
  /** The one of the store, whatever files it opens. */
  readonly ages: AgeClock;
}

/**
 * Opens a folder, or begins a store in an empty one.
 * @throws GridError as Store.open
 */
export function openParts(options: StoreOptions, context: OpenContext): StoreParts {
  const files = options.files ?? realFiles;
  makeFolder(files, options.folder);
  const table =
    SegmentTable.load(files, options.folder)?.table ??
    SegmentTable.create(files, options.folder, newLogId(options), randomBytes(8));
  const nowMs = options.nowMs ?? Date.now;
  context.ages.start(isNew(table) ? nowMs() : table.believedMs());
  table.believedMs = () => context.ages.savedMs();
  try {
    return assemble(options, context, table, begin(options, context, table));
  } catch (error) {
    table.close();
    throw error;
  }
}

function isNew({ segments, durableSequence }: SegmentTable): boolean {
  return segments.length === 0 && durableSequence === 0;
}

/** Brings a folder into order and finds what is in it. */
function begin(options: StoreOptions, context: OpenContext, table: SegmentTable): Recovered {
  const files = options.files ?? realFiles;
  if (!context.isReadOnly) {
    if (isNew(table)) table.save();
    // The manifest may have got its name just before the process died: nothing may be built on
    // it, or removed because of it, that would outlive it.
    syncFolder(files, options.folder);
    table.removeFiles(orphans(files, table));
  }
  const recovered = recover({
    files,
    table,
    durableAtLeast: table.durableSequence,
    checkpoint: context.upTo === undefined ? readCheckpoint(files, table) : undefined,
    nowMs: (options.nowMs ?? Date.now)(),
    isDryRun: context.isReadOnly,
    ...(context.upTo === undefined ? {} : { upTo: context.upTo }),
  });
  if (!context.isReadOnly && table.quarantine.length > 0) table.save();
  return recovered;
}

function newLogId(options: StoreOptions): bigint {
  return options.logId ?? randomBytes(8).readBigUInt64LE();
}

function assemble(
  options: StoreOptions,
  context: OpenContext,
  table: SegmentTable,
  recovered: Recovered,
): StoreParts {
  const files = options.files ?? realFiles;
  const nowMs = options.nowMs ?? Date.now;
  const log = new Log(
    {
      table,
      durability: options.durability ?? 'always',
      segmentBytes: clampSegment(options.segmentBytes ?? SEGMENT_BYTES_MAX),
      onDurable: (sequence) => {
        table.durableSequence = sequence;
        options.onDurable?.(sequence);
        context.onDurable(sequence);
      },
      onFailure: options.onFailure ?? (() => undefined),
      onWritten: (batch, segment) => {
        reader.remember(batch, segment);
        options.onWritten?.(batch.lastSequence);
      },
      onRotate: () => maintenance.kick(),
      nowMs,
    },
    recovered.lastSequence,
  );
  const reader: RecordReader = new RecordReader({
    files,
    log,
    cacheBytes: options.cacheBytes ?? CACHE_BYTES_DEFAULT,
    onDamage: options.onDamage ?? (() => undefined),
  });
  const namespaces = new Namespaces(undefined);
  const isSyncing = recovered.lastSequence < table.compactedThrough;
  loadNamespaces({ table, reader, namespaces }, recovered.indexes, isSyncing);
  const locator = new Locator(table, new KeyHasher(table.hashSecret), files);
  const history = new History(table, reader, locator);
  const maintenance: Maintenance = new Maintenance(
    {
      files,
      table,
      namespaces,
      locator,
      history,
      reader,
      log,
      segmentBytes: log.segmentBytes,
      nowMs,
      numbersGiven: context.numbersGiven,
      ageNowMs: () => context.ages.nowMs(),
      deletionsUpTo: context.deletionsUpTo,
      ...(options.compactWindow === undefined ? {} : { compactWindow: options.compactWindow }),
      onSealed: options.onSealed ?? (() => undefined),
      onError: options.onError ?? (() => undefined),
    },
    recovered.checkpointSequence,
  );
  const { events: recovery } = recovered;
  const scrubber = makeScrubber(options, table, locator);
  return { table, log, reader, namespaces, locator, history, maintenance, scrubber, recovery };
}

function makeScrubber(options: StoreOptions, table: SegmentTable, locator: Locator): Scrubber {
  return new Scrubber({
    files: table.files,
    table,
    locator,
    nowMs: options.nowMs ?? Date.now,
    bytesPerSecond: options.scrubBytesPerSecond ?? SCRUB_BYTES_PER_SECOND,
    onBad: options.onBadRecord ?? (() => undefined),
    ...(options.scrubWindow === undefined ? {} : { window: options.scrubWindow }),
  });
}

function clampSegment(bytes: number): number {
  return Math.min(SEGMENT_BYTES_MAX, Math.max(SEGMENT_BYTES_MIN, bytes));
}
