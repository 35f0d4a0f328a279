import {
  isDeletion,
  keyLengthOf,
  namespaceOf,
  RECORD_HEADER_BYTES,
  readUint53,
  recordOwnerAt,
  recordPreviousAt,
  recordSequenceAt,
  recordTimeAt,
  valueLengthOf,
} from '../log/format.ts';
import type { Locator } from './locator.ts';
import type { Namespace } from '../namespace.ts';
import { type FetchedRecord, letGo, type RecordReader } from './record-reader.ts';
import type { Segment } from '../log/segment.ts';
import { SegmentGone } from '../log/segment-gone.ts';
import type { IndexEntry } from '../log/segment-index.ts';
import type { SegmentTable } from '../log/segment-table.ts';

/** A record as it was written. */
export interface StoredRecord {
  readonly sequence: number;
  /** Sequence of the former version of the key, 0 when there is none. */
  readonly previous: number;
  readonly namespaceId: number;
  readonly isDeletion: boolean;
  readonly timeSeconds: number;
  readonly key: Buffer;
  readonly value: Buffer;
  readonly segmentId: number;
  readonly offset: number;
}

export interface ScanOptions {
  /** Only records after, or before, this sequence. */
  readonly after?: number;
  readonly before?: number;
  /** From the newest to the oldest. */
  readonly isBackward?: boolean;
  /** Stops after so many milliseconds or items. */
  readonly budgetMs?: number;
  readonly limit?: number;
  /** Only keys that begin so. */
  readonly prefix?: Buffer;
}

export interface ScanItem {
  readonly key: Buffer;
  readonly valueLength: number;
  readonly timeSeconds: number;
  readonly sequence: number;
}

export interface ScanPage {
  readonly items: ScanItem[];
  /** Sequence of the last record looked at: where to go on. */
  readonly last: number;
  readonly isEnd: boolean;
}

/** Records between two looks at the clock: a busy machine gives no page that stops at the first. */
const SCAN_STEP = 16;

interface ScanProgress {
  readonly items: ScanItem[];
  last: number;
  /** Records that were looked at. */
  seen: number;
  readonly limit: number;
  readonly until: number;
}

type RecordEntry = Pick<IndexEntry, 'offset' | 'lengths' | 'owner' | 'sequence' | 'timeSeconds'>;

/** Reads the log by sequence: single records, and the newest records of a namespace in order. */
export class History {
  readonly #table: SegmentTable;
  readonly #reader: RecordReader;
  readonly #locator: Locator;

  constructor(table: SegmentTable, reader: RecordReader, locator: Locator) {
    this.#table = table;
    this.#reader = reader;
    this.#locator = locator;
  }

  /** Undefined when no such record is kept. @throws GridError ZDB_READ_FAILED */
  async recordAt(sequence: number): Promise<StoredRecord | undefined> {
    for (;;) {
      try {
        const found = await this.#locator.find(sequence);
        return found === undefined ? undefined : await this.read(found.segment, found.entry);
      } catch (error) {
        this.#mayTryAgain(error);
      }
    }
  }

  /** Another segment stands in the place of one that is gone, unless all of them were closed. */
  #mayTryAgain(error: unknown): void {
    if (!(error instanceof SegmentGone) || this.#table.isClosed) throw error;
  }

  async read(segment: Segment, entry: RecordEntry): Promise<StoredRecord> {
    const bytes = await this.#bytes(segment, entry);
    const keyLength = keyLengthOf(entry.lengths);
    const keyEnd = RECORD_HEADER_BYTES + keyLength;
    return {
      sequence: entry.sequence,
      previous: readUint53(bytes, recordPreviousAt),
      namespaceId: namespaceOf(entry.owner),
      isDeletion: isDeletion(entry.owner),
      timeSeconds: entry.timeSeconds,
      key: bytes.subarray(RECORD_HEADER_BYTES, keyEnd),
      value: bytes.subarray(keyEnd, keyEnd + valueLengthOf(entry.lengths)),
      segmentId: segment.id,
      offset: entry.offset,
    };
  }

  /** The record at a place that the key index names. */
  async readAt(segment: Segment, offset: number, lengths: number): Promise<StoredRecord> {
    const place = { offset, lengths };
    const bytes = await this.#bytes(segment, place);
    const owner = bytes.readUInt32LE(recordOwnerAt);
    return this.read(segment, {
      ...place,
      owner,
      sequence: readUint53(bytes, recordSequenceAt),
      timeSeconds: bytes.readUInt32LE(recordTimeAt),
    });
  }

  async #bytes(segment: Segment, entry: { offset: number; lengths: number }): Promise<Buffer> {
    const { offset, lengths } = entry;
    if (offset >= segment.writtenOffset) {
      this.#reader.view(segment, offset, lengths);
      const { bytes, at } = this.#reader;
      const length = RECORD_HEADER_BYTES + keyLengthOf(lengths) + valueLengthOf(lengths);
      return Buffer.from(bytes.subarray(at, at + length));
    }
    return (await this.#reader.fetch({ segment, offset, lengths })).bytes;
  }

  /** The newest records of a namespace in order of their sequence. */
  async scan(namespace: Namespace, options: ScanOptions = {}): Promise<ScanPage> {
    const isBackward = options.isBackward === true;
    const progress: ScanProgress = {
      items: [],
      last: isBackward ? (options.before ?? Infinity) : (options.after ?? 0),
      seen: 0,
      limit: options.limit ?? Number.MAX_SAFE_INTEGER,
      until: performance.now() + (options.budgetMs ?? Number.MAX_SAFE_INTEGER),
    };
    for (;;) {
      const segment = this.#nextSegment(namespace, progress.last, isBackward);
      if (segment === undefined) return { items: progress.items, last: progress.last, isEnd: true };
      try {
        if (await this.#scanSegment(namespace, segment, options, progress)) {
          return { items: progress.items, last: progress.last, isEnd: false };
        }
        progress.last = isBackward ? segment.firstSequence : segment.lastSequence;
      } catch (error) {
        this.#mayTryAgain(error);
      }
    }
  }

  /** Returns true when the limit or the time is used up. */
  async #scanSegment(
    namespace: Namespace,
    segment: Segment,
    options: ScanOptions,
    progress: ScanProgress,
  ): Promise<boolean> {
    const isBackward = options.isBackward === true;
    const entries = this.#locator.entries(segment);
    const bound = await entries.lowerBound(isBackward ? progress.last : progress.last + 1);
    const step = isBackward ? -1 : 1;
    let position = isBackward ? bound - 1 : bound;
    for (; position >= 0 && position < entries.count; position += step) {
      const pending = entries.entry(position);
      const entry = pending instanceof Promise ? await pending : pending;
      // The index knows nothing of a replaced segment: all its records would seem to be old.
      if (segment.isReplaced) throw new SegmentGone(segment.path);
      const item = await this.#item(namespace, segment, entry, options.prefix);
      progress.last = entry.sequence;
      if (item !== undefined) progress.items.push(item);
      progress.seen++;
      if (progress.items.length >= progress.limit) return true;
      if (progress.seen % SCAN_STEP === 0 && performance.now() > progress.until) return true;
    }
    return false;
  }

  #nextSegment(namespace: Namespace, last: number, isBackward: boolean): Segment | undefined {
    const has = (segment: Segment): boolean =>
      (segment.shares.get(namespace.id)?.liveRecords ?? 0) > 0;
    const { segments } = this.#table;
    if (isBackward) return segments.findLast((one) => one.firstSequence < last && has(one));
    return segments.find((one) => one.lastSequence > last && has(one));
  }

  async #item(
    namespace: Namespace,
    segment: Segment,
    entry: IndexEntry,
    prefix: Buffer | undefined,
  ): Promise<ScanItem | undefined> {
    if (namespaceOf(entry.owner) !== namespace.id) return undefined;
    if (isDeletion(entry.owner)) return undefined;
    if (!isNewest(namespace, segment, entry)) {
      if (!(await this.#isBeingMoved(namespace, entry))) return undefined;
      if (segment.isReplaced) throw new SegmentGone(segment.path);
    }
    const { lengths, timeSeconds, sequence } = entry;
    const keyLength = keyLengthOf(lengths);
    if (prefix !== undefined && keyLength < prefix.length) return undefined;
    let bytes = this.#reader.bytes;
    let fetched: FetchedRecord | undefined;
    let start: number;
    if (this.#reader.view(segment, entry.offset, lengths)) {
      bytes = this.#reader.bytes;
      start = this.#reader.keyStart;
    } else {
      fetched = await this.#reader.fetch({ segment, offset: entry.offset, lengths });
      bytes = fetched.bytes;
      start = RECORD_HEADER_BYTES;
    }
    const key = Buffer.from(bytes.subarray(start, start + keyLength));
    letGo(fetched);
    if (prefix !== undefined && !key.subarray(0, prefix.length).equals(prefix)) return undefined;
    return { key, valueLength: valueLengthOf(lengths), timeSeconds, sequence };
  }

  /** Whether the index points at the copy of this record in a segment that compaction is installing. */
  async #isBeingMoved(namespace: Namespace, entry: IndexEntry): Promise<boolean> {
    const { index } = namespace;
    const places: { segment: Segment; offset: number; lengths: number }[] = [];
    let hit = index.first(entry.low, entry.high, keyLengthOf(entry.lengths));
    for (; hit; hit = index.next()) {
      const segment = this.#table.at(index.segment);
      const { offset, lengths } = index;
      if (segment.isDetached) places.push({ segment, offset, lengths });
    }
    for (const { segment, offset, lengths } of places) {
      const { sequence } = await this.readAt(segment, offset, lengths);
      if (sequence === entry.sequence) return true;
    }
    return false;
  }
}

/** Whether the index points at this very record. Leaves the index at its slot. */
export function isNewest(namespace: Namespace, segment: Segment, entry: IndexEntry): boolean {
  const { index } = namespace;
  const keyLength = keyLengthOf(entry.lengths);
  for (let hit = index.first(entry.low, entry.high, keyLength); hit; hit = index.next()) {
    if (index.segment === segment.slot && index.offset === entry.offset) return true;
  }
  return false;
}
