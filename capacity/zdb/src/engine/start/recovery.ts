import { GridError } from '@commongrid/base';
import type { ZdbErrorCode } from '../../errors.ts';
import { type Files, readUpTo, syncFolder, writeAll } from '@commongrid/files';
import { decodeSegmentHeader, SEGMENT_HEADER_BYTES } from '../log/format.ts';
import { KeyHasher } from '../keys/key-hash.ts';
import type { KeyIndex } from '../keys/key-index.ts';
import type { Segment } from '../log/segment.ts';
import { SegmentIndex, SEQUENCE_SPAN_MAX } from '../log/segment-index.ts';
import { type BadStretch, countShares, type ScanResult, scanSegment } from '../log/segment-scan.ts';
import type { SegmentTable } from '../log/segment-table.ts';
import {
  bringForward,
  EntrySource,
  indexFromEntries,
  loadedThrough,
  pendingErasures,
} from './key-indexes.ts';
import { salvage } from './salvage.ts';
import { settle } from './settle.ts';

/** What a start found and did; printed, and kept for INFO. */
export interface RecoveryEvent {
  readonly kind: 'torn' | 'corrupt' | 'index-rebuilt' | 'orphan-removed';
  readonly path: string;
  readonly offset: number;
  readonly bytes: number;
  readonly text: string;
}

export interface Recovered {
  readonly indexes: Map<number, KeyIndex>;
  readonly lastSequence: number;
  /** Up to here the indexes came from a checkpoint; 0 = they were built from entries. */
  readonly checkpointSequence: number;
  readonly events: RecoveryEvent[];
}

export interface RecoveryOptions {
  readonly files: Files;
  readonly table: SegmentTable;
  /** The folder is only looked at: nothing is cut, moved or removed. */
  readonly isDryRun?: boolean;
  /** Nothing after this sequence is shown; only with isDryRun. */
  readonly upTo?: number;
  /** The log reached at least this sequence when the manifest was written. */
  readonly durableAtLeast: number;
  /** Indexes from a checkpoint, when there is one. */
  readonly checkpoint: Map<number, KeyIndex> | undefined;
  readonly nowMs: number;
}

/*
 * How a folder becomes a store again.
 *
 * 1. The manifest names the segments. Each must be there and long enough; nothing else counts.
 * 2. Segments that were not sealed are read frame by frame. What cannot be read is torn when no sound
 *    frame says that it had been on disk: it is moved aside and cut off. Otherwise it is corruption: the
 *    stretch is quarantined, all that is sound is used, in the stretch and around it, and the store
 *    opens read-only.
 * 3. What was read is brought to disk, before it is shown to anybody or built upon.
 * 4. The key index comes from the checkpoint, brought forward by the entries of later records; without
 *    one from all entries, newest first: a record that a newer one names as its predecessor is old.
 */
export function recover(options: RecoveryOptions): Recovered {
  const { files, table } = options;
  const events: RecoveryEvent[] = [];
  const hasher = new KeyHasher(table.hashSecret);
  for (const segment of table.segments) checkFile(files, segment, table.logId);
  const durableTo = readUnsealed(options, hasher, events);
  if (options.isDryRun !== true) settle(files, table.segments, durableTo);
  const lastSequence = Math.max(options.durableAtLeast, table.last?.lastSequence ?? 0);
  const entries = new EntrySource(table, hasher, events, (segment, stretch) => {
    corrupt(options, segment, stretch, events);
  });
  table.erasures = pendingErasures(entries, table);
  const checkpointSequence =
    options.checkpoint === undefined ? 0 : loadedThrough(options.checkpoint);
  const indexes =
    options.checkpoint === undefined
      ? indexFromEntries(entries, table)
      : bringForward(options.checkpoint, entries, table);
  return { indexes, lastSequence, checkpointSequence, events };
}

/** @throws GridError ZDB_SEGMENT_MISSING, ZDB_SEGMENT_CORRUPT */
function checkFile(files: Files, segment: Segment, logId: bigint): void {
  const { path } = segment;
  if (!files.existsSync(path)) {
    throw new GridError<ZdbErrorCode>('ZDB_SEGMENT_MISSING', `${path} is missing`, {
      hint: `bring the file back, or: grid zdb repair --data DIR --accept-loss`,
      details: { path, segmentId: segment.id },
    });
  }
  const size = files.fstatSync(segment.fd).size;
  if (segment.isSealed && size < segment.nextOffset) {
    throw new GridError<ZdbErrorCode>(
      'ZDB_SEGMENT_CORRUPT',
      `${path} ends at ${size}, it must have ${segment.nextOffset} bytes`,
      { hint: 'grid zdb repair --data DIR', details: { path, offset: size } },
    );
  }
  const bytes = Buffer.alloc(SEGMENT_HEADER_BYTES);
  readUpTo(files, segment.fd, bytes, 0, SEGMENT_HEADER_BYTES, 0);
  const header = decodeSegmentHeader(bytes);
  if (header === undefined || header.segmentId !== segment.id || header.logId !== logId) {
    throw new GridError<ZdbErrorCode>('ZDB_SEGMENT_CORRUPT', `${path} has a damaged header`, {
      hint: 'grid zdb repair --data DIR',
      details: { path, offset: 0 },
    });
  }
}

/** Returns the last sequence that is known to have been on disk. */
function readUnsealed(
  options: RecoveryOptions,
  hasher: KeyHasher,
  events: RecoveryEvent[],
): number {
  const { files, table } = options;
  const first = table.segments.findIndex((segment) => !segment.isSealed);
  if (first < 0) return options.durableAtLeast;
  const unsealed = table.segments.slice(first);
  const scans = unsealed.map((segment) => scanSegment(files, segment, table.logId, hasher));
  const durableTo = Math.max(options.durableAtLeast, ...scans.map((scan) => scan.durableTo));
  let isTorn = false;
  for (const [i, segment] of unsealed.entries()) {
    const scan = scans[i] as ScanResult;
    if (isTorn) {
      discardSegment(options, segment, events);
      continue;
    }
    const tornAt = firstTorn(scan, durableTo);
    takeScan(options, segment, scan, { tornAt, durableTo }, hasher, events);
    const following = unsealed[i + 1];
    isTorn = tornAt !== undefined && following !== undefined;
    if (tornAt === undefined && following !== undefined) {
      noteGap(options, segment, following, durableTo, events);
      if (isGap(segment, following)) {
        isTorn = durableTo <= segment.lastSequence;
      }
    }
  }
  const reached = table.last?.lastSequence ?? options.durableAtLeast;
  if (reached < options.durableAtLeast) {
    const last = table.segments.at(-1) as Segment;
    noteMissingEnd(options, last, reached + 1, events);
  }
  return durableTo;
}

/** The first bad stretch that had never been on disk, if there is one. */
function firstTorn(scan: ScanResult, durableTo: number): BadStretch | undefined {
  return scan.bad.find((stretch) => stretch.expected > durableTo);
}

function takeScan(
  options: RecoveryOptions,
  segment: Segment,
  scan: ScanResult,
  ends: { readonly tornAt: BadStretch | undefined; readonly durableTo: number },
  hasher: KeyHasher,
  events: RecoveryEvent[],
): void {
  const { files, table } = options;
  const { tornAt, durableTo } = ends;
  let result = scan;
  if (tornAt !== undefined) {
    cutTorn(options, segment, tornAt, scan.fileBytes, events);
    if (options.isDryRun === true) {
      result = { ...scan, index: entriesBefore(scan.index, tornAt.expected), end: tornAt.offset };
    } else if (scan.end > tornAt.offset) {
      // Sound frames behind a torn one go with it: read again what is left.
      result = scanSegment(files, segment, table.logId, hasher);
    }
  }
  const corrupted = result.bad.filter((stretch) => stretch !== tornAt);
  const { logId } = table;
  result = salvage({ files, segment, logId, hasher, durableTo }, result, corrupted);
  if (options.upTo !== undefined) {
    result = { ...result, index: entriesBefore(result.index, options.upTo + 1) };
  }
  for (const stretch of corrupted) corrupt(options, segment, stretch, events);
  segment.index = result.index;
  segment.recordCount = result.index.count;
  const { count } = result.index;
  segment.lastSequence =
    count === 0 ? segment.firstSequence - 1 : result.index.sequenceAt(count - 1);
  segment.nextOffset = Math.max(result.end, SEGMENT_HEADER_BYTES);
  segment.writtenOffset = segment.nextOffset;
  countShares(segment, result.index);
}

function entriesBefore(index: SegmentIndex, sequence: number): SegmentIndex {
  return new SegmentIndex(index.base, index.words, index.lowerBound(sequence));
}

/** Moves a torn tail aside, durably, before it is cut off. */
function cutTorn(
  options: RecoveryOptions,
  segment: Segment,
  torn: BadStretch,
  fileBytes: number,
  events: RecoveryEvent[],
): void {
  const { files, table } = options;
  const bytes = fileBytes - torn.offset;
  const text = `${bytes} bytes after offset ${torn.offset} of ${segment.path} were never acknowledged`;
  events.push({ kind: 'torn', path: segment.path, offset: torn.offset, bytes, text });
  if (options.isDryRun === true) return;
  moveAside(
    files,
    segment,
    torn.offset,
    bytes,
    `${table.folder}/torn-${segment.id}-${torn.offset}`,
  );
  files.ftruncateSync(segment.fd, torn.offset);
  files.fsyncSync(segment.fd);
}

function moveAside(
  files: Files,
  segment: Segment,
  offset: number,
  length: number,
  target: string,
): void {
  const fd = files.openSync(target, 'w', 0o600);
  try {
    const bytes = Buffer.allocUnsafeSlow(Math.min(length, 1024 * 1024));
    for (let done = 0; done < length;) {
      const got = readUpTo(
        files,
        segment.fd,
        bytes,
        0,
        Math.min(bytes.length, length - done),
        offset + done,
      );
      if (got === 0) break;
      writeAll(files, fd, bytes.subarray(0, got), done);
      done += got;
    }
    files.fsyncSync(fd);
  } finally {
    files.closeSync(fd);
  }
  syncFolder(files, target.slice(0, target.lastIndexOf('/')));
}

/** A segment behind a torn one: none of it was ever acknowledged. */
function discardSegment(options: RecoveryOptions, segment: Segment, events: RecoveryEvent[]): void {
  const { files, table } = options;
  const size = files.fstatSync(segment.fd).size;
  const bytes = size - SEGMENT_HEADER_BYTES;
  if (bytes > 0) {
    const torn = { offset: SEGMENT_HEADER_BYTES, bytes, expected: segment.firstSequence };
    cutTorn(options, segment, torn, size, events);
  }
  table.segments.splice(table.segments.indexOf(segment), 1);
  if (options.isDryRun === true) return;
  table.save();
  table.forget(segment);
  table.removeFiles([segment.path]);
}

/** Records are missing between two segments although the later one has begun. */
function noteGap(
  options: RecoveryOptions,
  segment: Segment,
  following: Segment,
  durableTo: number,
  events: RecoveryEvent[],
): void {
  const expected = segment.lastSequence + 1;
  if (!isGap(segment, following) || durableTo < expected) return;
  noteMissingEnd(options, segment, expected, events);
}

/** Records are missing behind a segment; when its end is damaged that is said already. */
function noteMissingEnd(
  options: RecoveryOptions,
  segment: Segment,
  expected: number,
  events: RecoveryEvent[],
): void {
  const { id, nextOffset } = segment;
  const isSaid = options.table.quarantine.some(({ segmentId, offset, bytes }) => {
    return segmentId === id && bytes > 0 && offset + bytes >= nextOffset;
  });
  if (!isSaid) corrupt(options, segment, { offset: nextOffset, bytes: 0, expected }, events);
}

/** A replica begins a segment far on where its master had dropped more than one can span. */
function isGap(segment: Segment, following: Segment): boolean {
  const missing = following.firstSequence - segment.lastSequence - 1;
  return missing > 0 && missing < SEQUENCE_SPAN_MAX / 2;
}

function corrupt(
  options: RecoveryOptions,
  segment: Segment,
  stretch: BadStretch,
  events: RecoveryEvent[],
): void {
  const { offset, bytes } = stretch;
  const text =
    `${segment.path} is damaged at offset ${offset} (${bytes} bytes, from record ${stretch.expected}): ` +
    'these records had been acknowledged';
  events.push({ kind: 'corrupt', path: segment.path, offset, bytes, text });
  const { quarantine } = options.table;
  if (quarantine.some((one) => one.segmentId === segment.id && one.offset === offset)) return;
  quarantine.push({ segmentId: segment.id, offset, bytes, foundMs: options.nowMs });
}
