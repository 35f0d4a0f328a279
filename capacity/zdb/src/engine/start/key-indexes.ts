import { type Files, readUpTo, readWhole } from '@commongrid/files';
import {
  isDeletion,
  keyLengthOf,
  kindOf,
  namespaceOf,
  RECORD_HEADER_BYTES,
  readUint53,
  RecordKind,
  recordPreviousAt,
} from '../log/format.ts';
import type { KeyHasher } from '../keys/key-hash.ts';
import { KeyIndex } from '../keys/key-index.ts';
import type { Segment } from '../log/segment.ts';
import { type IndexEntry, SegmentIndex } from '../log/segment-index.ts';
import { type BadStretch, scanSegment } from '../log/segment-scan.ts';
import type { SegmentTable } from '../log/segment-table.ts';
import type { RecoveryEvent } from './recovery.ts';

/** Gives the entries of each segment: from memory, from its index file, or by reading it again. */
export class EntrySource {
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
export function pendingErasures(source: EntrySource, table: SegmentTable): number[] {
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
export function indexFromEntries(source: EntrySource, table: SegmentTable): Map<number, KeyIndex> {
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
export function bringForward(
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

/** Everything up to this sequence was in the checkpoint. */
export function loadedThrough(indexes: ReadonlyMap<number, KeyIndex>): number {
  let through = Number.MAX_SAFE_INTEGER;
  for (const index of indexes.values()) {
    for (const { shard } of index.shards()) through = Math.min(through, shard.sequence);
  }
  return indexes.size === 0 ? 0 : through;
}
