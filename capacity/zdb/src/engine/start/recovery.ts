import { GridError } from '@commongrid/base';
import type { ZdbErrorCode } from '../../errors.ts';
import { type Files, readUpTo, readWhole, syncFolder, writeAll } from '@commongrid/files';
import {
  decodeSegmentHeader,
  isDeletion,
  keyLengthOf,
  kindOf,
  namespaceOf,
  RECORD_HEADER_BYTES,
  RecordKind,
  readUint53,
  recordPreviousAt,
  SEGMENT_HEADER_BYTES,
} from '../log/format.ts';
import { KeyHasher } from '../keys/key-hash.ts';
import { KeyIndex } from '../keys/key-index.ts';
import type { Segment } from '../log/segment.ts';
import { type IndexEntry, SegmentIndex, SEQUENCE_SPAN_MAX } from '../log/segment-index.ts';
import { type BadStretch, countShares, type ScanResult, scanSegment } from '../log/segment-scan.ts';
import type { SegmentTable } from '../log/segment-table.ts';
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
 *    stretch is quarantined, the rest is used, and the store opens read-only.
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

/** Everything up to this sequence was in the checkpoint. */
function loadedThrough(indexes: ReadonlyMap<number, KeyIndex>): number {
  let through = Number.MAX_SAFE_INTEGER;
  for (const index of indexes.values()) {
    for (const { shard } of index.shards()) through = Math.min(through, shard.sequence);
  }
  return indexes.size === 0 ? 0 : through;
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
    takeScan(options, segment, scan, tornAt, hasher, events);
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
    corrupt(options, last, { offset: last.nextOffset, bytes: 0, expected: reached + 1 }, events);
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
  tornAt: BadStretch | undefined,
  hasher: KeyHasher,
  events: RecoveryEvent[],
): void {
  let result = scan;
  if (tornAt !== undefined) {
    cutTorn(options, segment, tornAt, scan.fileBytes, events);
    if (options.isDryRun === true) {
      result = { ...scan, index: entriesBefore(scan.index, tornAt.expected), end: tornAt.offset };
    } else if (scan.end > tornAt.offset) {
      // Sound frames behind a torn one go with it: read again what is left.
      result = scanSegment(options.files, segment, options.table.logId, hasher);
    }
  }
  if (options.upTo !== undefined) {
    result = { ...result, index: entriesBefore(result.index, options.upTo + 1) };
  }
  for (const stretch of result.bad) {
    if (stretch !== tornAt) corrupt(options, segment, stretch, events);
  }
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
  corrupt(options, segment, { offset: segment.nextOffset, bytes: 0, expected }, events);
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

/** Gives the entries of each segment: from memory, from its index file, or by reading it again. */
class EntrySource {
  readonly #table: SegmentTable;
  readonly #hasher: KeyHasher;
  readonly #events: RecoveryEvent[];
  readonly #onBad: (segment: Segment, stretch: BadStretch) => void;

  constructor(
    table: SegmentTable,
    hasher: KeyHasher,
    events: RecoveryEvent[],
    onBad: (segment: Segment, stretch: BadStretch) => void,
  ) {
    this.#table = table;
    this.#hasher = hasher;
    this.#events = events;
    this.#onBad = onBad;
  }

  entries(segment: Segment): SegmentIndex {
    if (segment.index !== undefined) return segment.index;
    const { files, logId } = this.#table;
    const path = segment.indexPath;
    if (files.existsSync(path)) {
      const index = SegmentIndex.decode(readWhole(files, path), logId, segment.id);
      if (index !== undefined && index.count === segment.recordCount) return index;
    }
    const { index, bad } = scanSegment(files, segment, logId, this.#hasher);
    for (const stretch of bad) this.#onBad(segment, stretch);
    const text = `${path} was missing or damaged and was made again`;
    this.#events.push({ kind: 'index-rebuilt', path, offset: 0, bytes: 0, text });
    // Maintenance writes it where it belongs.
    if (bad.length === 0) segment.index = index;
    return index;
  }
}

/** What is to be erased and was not when the manifest was written. */
function pendingErasures(source: EntrySource, table: SegmentTable): number[] {
  const from = table.erasedThrough + 1;
  const pending: number[] = [];
  for (const segment of table.segments) {
    if (segment.lastSequence < from) continue;
    const entries = source.entries(segment);
    for (let position = entries.lowerBound(from); position < entries.count; position++) {
      const { owner, sequence } = entries.entry(position);
      if (kindOf(owner) === RecordKind.erase) pending.push(sequence);
    }
  }
  return pending;
}

/** Newest first: a record that a newer one names as its predecessor is old, all others are newest. */
function indexFromEntries(source: EntrySource, table: SegmentTable): Map<number, KeyIndex> {
  const indexes = new Map<number, KeyIndex>();
  const replaced = new SequenceSet();
  for (let i = table.segments.length - 1; i >= 0; i--) {
    const segment = table.segments[i] as Segment;
    const entries = source.entries(segment);
    for (let position = entries.count - 1; position >= 0; position--) {
      const entry = entries.entry(position);
      const previous = entry.previous ?? readPrevious(table.files, segment, entry.offset);
      if (previous > 0) replaced.add(previous);
      const isReplaced = replaced.take(entry.sequence) && hasHash(indexes, entry);
      if (!isReplaced) addNewest(indexes, table, segment, entry);
    }
  }
  return indexes;
}

/**
 * Whether a newer record may be of the same key. What a record names as its predecessor was taken from
 * that one's header, which may have been damaged: it must not hide a record of another key.
 */
function hasHash(indexes: ReadonlyMap<number, KeyIndex>, entry: IndexEntry): boolean {
  const index = indexes.get(namespaceOf(entry.owner));
  return index?.first(entry.low, entry.high, keyLengthOf(entry.lengths)) ?? false;
}

function addNewest(
  indexes: Map<number, KeyIndex>,
  table: SegmentTable,
  segment: Segment,
  entry: IndexEntry,
): void {
  const index = indexOf(indexes, namespaceOf(entry.owner));
  const keyLength = keyLengthOf(entry.lengths);
  let isFound = index.first(entry.low, entry.high, keyLength);
  for (; isFound; isFound = index.next()) {
    // The same hash: an old version whose successor compaction dropped, or, rarely, another key.
    if (sameKey(table, index.segment, index.offset, segment, entry.offset, keyLength)) return;
  }
  index.insert(segment.slot, entry.offset, isDeletion(entry.owner), entry.lengths);
}

/** Oldest first: applies to indexes from a checkpoint what was written after it. */
function bringForward(
  indexes: Map<number, KeyIndex>,
  source: EntrySource,
  table: SegmentTable,
): Map<number, KeyIndex> {
  const from = loadedThrough(indexes);
  for (const segment of table.segments) {
    if (segment.lastSequence <= from) continue;
    const entries = source.entries(segment);
    for (let position = entries.lowerBound(from + 1); position < entries.count; position++) {
      const entry = entries.entry(position);
      const index = indexOf(indexes, namespaceOf(entry.owner));
      if (entry.sequence > index.loadedSequence(entry.low))
        applyEntry(index, table, segment, entry);
    }
  }
  return indexes;
}

function applyEntry(
  index: KeyIndex,
  table: SegmentTable,
  segment: Segment,
  entry: IndexEntry,
): void {
  const keyLength = keyLengthOf(entry.lengths);
  let isFound = index.first(entry.low, entry.high, keyLength);
  for (; isFound; isFound = index.next()) {
    if (!sameKey(table, index.segment, index.offset, segment, entry.offset, keyLength)) continue;
    index.replace(segment.slot, entry.offset, isDeletion(entry.owner), entry.lengths);
    return;
  }
  index.insert(segment.slot, entry.offset, isDeletion(entry.owner), entry.lengths);
}

function indexOf(indexes: Map<number, KeyIndex>, namespaceId: number): KeyIndex {
  let index = indexes.get(namespaceId);
  if (index === undefined) {
    index = new KeyIndex();
    indexes.set(namespaceId, index);
  }
  return index;
}

function sameKey(
  table: SegmentTable,
  slot: number,
  offset: number,
  segment: Segment,
  otherOffset: number,
  keyLength: number,
): boolean {
  const one = readKey(table.files, table.at(slot), offset, keyLength);
  return one.equals(readKey(table.files, segment, otherOffset, keyLength));
}

/** Reads the key of a record. */
export function readKey(files: Files, segment: Segment, offset: number, keyLength: number): Buffer {
  const bytes = Buffer.allocUnsafe(keyLength);
  readUpTo(files, segment.fd, bytes, 0, keyLength, offset + RECORD_HEADER_BYTES);
  return bytes;
}

function readPrevious(files: Files, segment: Segment, offset: number): number {
  const bytes = Buffer.allocUnsafe(RECORD_HEADER_BYTES);
  readUpTo(files, segment.fd, bytes, 0, RECORD_HEADER_BYTES, offset);
  return readUint53(bytes, recordPreviousAt);
}

/** A set of sequences that is asked from high to low; small where marks stand close together. */
class SequenceSet {
  readonly #granules = new Map<number, Uint32Array>();

  add(sequence: number): void {
    const granule = Math.floor(sequence / 512);
    let bits = this.#granules.get(granule);
    if (bits === undefined) {
      bits = new Uint32Array(16);
      this.#granules.set(granule, bits);
    }
    const bit = sequence % 512;
    bits[bit >>> 5] = (bits[bit >>> 5] as number) | (1 << (bit & 31));
  }

  /** Whether it is in the set; what lies above will not be asked again. */
  take(sequence: number): boolean {
    const granule = Math.floor(sequence / 512);
    const bits = this.#granules.get(granule);
    if (bits === undefined) return false;
    const bit = sequence % 512;
    if (bit === 0) this.#granules.delete(granule);
    return ((bits[bit >>> 5] as number) & (1 << (bit & 31))) !== 0;
  }
}
