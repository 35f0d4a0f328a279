import { isGridError, type MemoryOwner } from '@commongrid/base';
import {
  isDeletion,
  keyLengthOf,
  packLengths,
  packOwner,
  recordBytes,
  kindOf,
  RecordKind,
  valueLengthOf,
} from './log/format.ts';
import type { LogRecord } from './log/frame-reader.ts';
import type { History } from './reading/history.ts';
import { KeyHasher } from './keys/key-hash.ts';
import type { Locator } from './reading/locator.ts';
import type { Log } from './log/log.ts';
import type { Maintenance } from './upkeep/maintenance.ts';
import { type Namespace, SYSTEM_NAMESPACE } from './namespace.ts';
import type { Namespaces } from './namespaces.ts';
import type { FetchedRecord, RecordReader } from './reading/record-reader.ts';
import type { RecoveryEvent } from './start/recovery.ts';
import { DiskRoom } from './disk-room.ts';
import { headroomBytes } from './room.ts';
import type { Scrubber } from './upkeep/scrubber.ts';
import { ENTRY_BYTES } from './log/segment-index.ts';
import type { SegmentTable } from './log/segment-table.ts';
import type { StoreParts } from './start/store-parts.ts';

/** What became of a lookup; `fault` means: await reader.fetch(reader.fault), then try again. */
export type Found = 'live' | 'deleted' | 'absent' | 'fault';

/** From here on compaction looks at a namespace with reserved room. */
const COMPACT_FROM_PART = 0.85;
/** Memory that only the record holds: the collector takes it. */
export const nobody: MemoryOwner = { share: () => undefined };
/** Records fetched for one operation: the key's, and others of the same hash. */
export const FETCHED_MAX = 4;
const WHOLE_RECORD = -1;
const KEY_ONLY = -2;
const UNVERIFIED = -3;

/**
 * What can be done with the records of a store. Each operation is synchronous and acts on memory; the
 * reader holds what it found until the next one.
 */
export class Records {
  hasher: KeyHasher;
  table: SegmentTable;
  log: Log;
  reader: RecordReader;
  namespaces: Namespaces;
  locator: Locator;
  history: History;
  maintenance: Maintenance;
  scrubber: Scrubber;
  recovery: readonly RecoveryEvent[];
  /** A reply that shows what the last operation saw may leave when this sequence is on disk. */
  seen = 0;
  protected readonly nowMs: () => number;
  protected readonly disk: DiskRoom;
  /** The last write found a damaged record of its key. */
  #isDamagedFound = false;
  #isRoomGranted = false;

  constructor(parts: StoreParts, nowMs: () => number) {
    this.nowMs = nowMs;
    this.disk = new DiskRoom(parts.table.files, parts.table.folder, parts.log.segmentBytes);
    this.table = parts.table;
    this.log = parts.log;
    this.reader = parts.reader;
    this.namespaces = parts.namespaces;
    this.locator = parts.locator;
    this.history = parts.history;
    this.maintenance = parts.maintenance;
    this.scrubber = parts.scrubber;
    this.recovery = parts.recovery;
    this.hasher = new KeyHasher(parts.table.hashSecret);
  }

  /** Goes on with other parts. */
  protected useParts(parts: StoreParts): void {
    Object.assign(this, parts);
    this.hasher = new KeyHasher(parts.table.hashSecret);
  }

  /** Looks for the newest record of a key. @throws GridError ZDB_READ_FAILED */
  lookup(namespace: Namespace, source: Uint8Array, start: number, length: number): Found {
    this.hasher.hash(source, start, length);
    return this.#find(namespace, source, start, length, WHOLE_RECORD);
  }

  /** As lookup(), for those who verify the value themselves: that of a large record is not. */
  lookupUnverified(namespace: Namespace, source: Uint8Array, start: number, length: number): Found {
    this.hasher.hash(source, start, length);
    return this.#find(namespace, source, start, length, UNVERIFIED);
  }

  /** As lookup(), for those who do not need the value: of a large record only the head is read. */
  lookupKey(namespace: Namespace, source: Uint8Array, start: number, length: number): Found {
    this.hasher.hash(source, start, length);
    return this.#find(namespace, source, start, length, KEY_ONLY);
  }

  /**
   * As #find, for those who write: a damaged record can be replaced. Its key is taken as it stands
   * there; where the key itself is damaged the new record stands beside it.
   */
  #findForWrite(
    namespace: Namespace,
    source: Uint8Array,
    start: number,
    length: number,
    whole: number,
  ): Found {
    this.hasher.hash(source, start, length);
    this.#isDamagedFound = false;
    try {
      return this.#find(namespace, source, start, length, whole, this.reader.knowsDamage);
    } catch (error) {
      if (!isGridError(error, 'ZDB_READ_FAILED')) throw error;
      return this.#find(namespace, source, start, length, whole, true);
    }
  }

  /**
   * `whole`: WHOLE_RECORD, UNVERIFIED, KEY_ONLY, or the lengths of a record whose value is of
   * interest.
   */
  #find(
    namespace: Namespace,
    source: Uint8Array,
    start: number,
    length: number,
    whole: number,
    mayBeDamaged = false,
  ): Found {
    const { index } = namespace;
    const { reader, table } = this;
    const { low, high } = this.hasher;
    // Settings are read wherever they are needed, in the turn.
    const mayWait = namespace.id === SYSTEM_NAMESPACE;
    const isUnverified = whole === UNVERIFIED;
    this.seen = 0;
    for (let hit = index.first(low, high, length); hit; hit = index.next()) {
      const { offset, lengths } = index;
      const segment = table.at(index.segment);
      const isWhole = isUnverified || whole === WHOLE_RECORD || whole === lengths;
      const isDamaged = mayBeDamaged && reader.isDamaged(segment, offset);
      if (isDamaged) reader.viewDamaged(segment, offset, lengths);
      const isThere =
        isDamaged ||
        (isWhole
          ? reader.view(segment, offset, lengths, mayWait, isUnverified)
          : reader.viewKey(segment, offset, lengths, mayWait));
      if (!isThere) return 'fault';
      const { bytes, keyStart } = reader;
      let i = 0;
      while (i < length && bytes[keyStart + i] === source[start + i]) i++;
      if (i < length) {
        // Equal hashes and another key: rare enough to make sure that it is no damage.
        if (isDamaged || (isWhole && !isUnverified)) continue;
        if (!reader.view(segment, offset, lengths, mayWait)) return 'fault';
        continue;
      }
      this.#isDamagedFound = isDamaged;
      this.seen = reader.sequence;
      return index.isDeleted ? 'deleted' : 'live';
    }
    return 'absent';
  }

  /** Where the value of the found record begins in reader.bytes, and its length. */
  get valueStart(): number {
    const { reader } = this;
    return reader.keyStart + (reader.bytes[reader.at + 7] as number);
  }
  get valueLength(): number {
    const { reader } = this;
    return reader.bytes.readUIntLE(reader.at + 4, 3);
  }
  /** The value of the found record: a window that is good until the next operation. */
  value(): Buffer {
    const start = this.valueStart;
    return this.reader.bytes.subarray(start, start + this.valueLength);
  }

  /**
   * Writes a value. 'same': the key has this very value, nothing was written. 'full': the namespace's
   * room is used up.
   */
  set(
    namespace: Namespace,
    source: Uint8Array,
    keyStart: number,
    keyLength: number,
    valueStart: number,
    valueLength: number,
    timeSeconds: number,
    valueOwner?: MemoryOwner,
  ): 'written' | 'same' | 'full' | 'fault' {
    const lengths = packLengths(keyLength, valueLength);
    const found = this.#findForWrite(namespace, source, keyStart, keyLength, lengths);
    if (found === 'fault') return 'fault';
    if (found === 'live' && !this.#isDamagedFound && this.#isSame(source, valueStart, valueLength))
      return 'same';
    const bytes = recordBytes(keyLength, valueLength);
    if (!this.hasRoom(namespace, bytes + ENTRY_BYTES, false)) return 'full';
    const owner = packOwner(namespace.id, RecordKind.set);
    this.#write(
      namespace,
      found,
      bytes,
      owner,
      timeSeconds,
      found === 'absent' ? 0 : this.reader.sequence,
      source,
      keyStart,
      keyLength,
      valueStart,
      valueLength,
      valueOwner,
    );
    return 'written';
  }

  /** Marks a key as deleted. */
  delete(
    namespace: Namespace,
    source: Uint8Array,
    keyStart: number,
    keyLength: number,
    timeSeconds: number,
  ): 'deleted' | 'missing' | 'full' | 'fault' {
    const found = this.#findForWrite(namespace, source, keyStart, keyLength, KEY_ONLY);
    if (found === 'fault') return 'fault';
    if (found !== 'live') return 'missing';
    const bytes = recordBytes(keyLength, 0);
    if (!this.hasRoom(namespace, bytes + ENTRY_BYTES, true)) return 'full';
    const owner = packOwner(namespace.id, RecordKind.delete);
    const previous = this.reader.sequence;
    this.#write(
      namespace,
      found,
      bytes,
      owner,
      timeSeconds,
      previous,
      source,
      keyStart,
      keyLength,
      0,
      0,
    );
    return 'deleted';
  }

  /** Marks a key as erased: a deletion that is written whatever the key has. See erasure.ts. */
  markErased(namespace: Namespace, key: Buffer): 'written' | 'fault' {
    const found = this.#findForWrite(namespace, key, 0, key.length, KEY_ONLY);
    if (found === 'fault') return 'fault';
    const owner = packOwner(namespace.id, RecordKind.erase);
    const bytes = recordBytes(key.length, 0);
    const now = this.nowSeconds();
    const previous = found === 'absent' ? 0 : this.reader.sequence;
    this.#write(namespace, found, bytes, owner, now, previous, key, 0, key.length, 0, 0);
    this.#noteErasure(owner);
    return 'written';
  }

  /** Looks for what writeAs() will replace; a damaged record is no hindrance. */
  findToReplace(namespace: Namespace, source: Uint8Array, start: number, length: number): Found {
    return this.#findForWrite(namespace, source, start, length, KEY_ONLY);
  }

  /** Writes a record of another store of the same log as it is there. See apply.ts. */
  writeAs(namespace: Namespace, found: Found, record: LogRecord): void {
    const { owner, timeSeconds, previous, bytes, keyStart, keyLength, valueLength } = record;
    this.log.skipTo(record.sequence - 1);
    this.#write(
      namespace,
      found,
      recordBytes(keyLength, valueLength),
      owner,
      timeSeconds,
      previous,
      bytes,
      keyStart,
      keyLength,
      keyStart + keyLength,
      valueLength,
      nobody,
    );
    this.#noteErasure(owner);
  }

  #noteErasure(owner: number): void {
    if (kindOf(owner) === RecordKind.erase) this.table.erasures?.push(this.log.lastSequence);
  }

  /** Does an operation again, with the records that it lacked, until it is no 'fault'. */
  async retrying<T>(operation: () => T): Promise<Exclude<T, 'fault'>> {
    const fetched: FetchedRecord[] = [];
    for (;;) {
      const result = this.withFetched(fetched, operation);
      if (result !== 'fault') return result as Exclude<T, 'fault'>;
      const { fault } = this.reader;
      if (fault === undefined) throw new Error('a fault without a record');
      if (fetched.length === FETCHED_MAX) fetched.shift();
      try {
        fetched.push(await this.reader.fetch(fault));
      } catch (error) {
        // Who writes can do without a record that is known to be damaged.
        const again = this.withFetched(fetched, operation);
        if (again === 'fault') throw error;
        return again as Exclude<T, 'fault'>;
      }
    }
  }

  /** Does an operation that may use records which were fetched for it. */
  withFetched<T>(fetched: FetchedRecord[], operation: () => T): T {
    this.reader.fetched = fetched;
    try {
      return operation();
    } finally {
      this.reader.fetched = [];
    }
  }

  #isSame(source: Uint8Array, start: number, length: number): boolean {
    if (this.valueLength !== length) return false;
    const { bytes } = this.reader;
    const from = this.valueStart;
    return bytes.compare(source, start, start + length, from, from + length) === 0;
  }

  #write(
    namespace: Namespace,
    found: Found,
    bytes: number,
    owner: number,
    timeSeconds: number,
    previous: number,
    source: Uint8Array,
    keyStart: number,
    keyLength: number,
    valueStart: number,
    valueLength: number,
    valueOwner?: MemoryOwner,
  ): void {
    const { index } = namespace;
    const { low, high } = this.hasher;
    if (found === 'live') this.#forgetOld(namespace);
    const segment = this.log.segmentFor(bytes);
    const offset = this.log.append(
      owner,
      timeSeconds,
      previous,
      source,
      keyStart,
      keyLength,
      source,
      valueStart,
      valueLength,
      low,
      high,
      valueOwner,
    );
    const isDeleted = isDeletion(owner);
    const lengths = packLengths(keyLength, valueLength);
    if (found === 'absent') index.insert(segment.slot, offset, isDeleted, lengths);
    else index.replace(segment.slot, offset, isDeleted, lengths);
    const share = namespace.shareOf(segment);
    share.records++;
    share.bytes += bytes;
    namespace.usedBytes += bytes + ENTRY_BYTES;
    if (namespace.usedBytes > namespace.compactAt) this.#nearlyFull(namespace);
    if (!isDeleted) {
      share.values++;
      share.liveRecords++;
      share.liveBytes += bytes;
      namespace.liveBytes += bytes;
      namespace.valueBytes += valueLength;
    }
    this.seen = this.log.lastSequence;
    namespace.lastSequence = this.seen;
  }

  /** Lets compaction look at a namespace each time another 32nd of its room is used. */
  #nearlyFull(namespace: Namespace): void {
    const { maxBytes } = namespace.settings;
    if (maxBytes === 0) {
      namespace.compactAt = Infinity;
      return;
    }
    const first = maxBytes * COMPACT_FROM_PART;
    namespace.compactAt = Math.max(first, namespace.usedBytes + maxBytes / 32);
    if (namespace.usedBytes > first) this.maintenance.kick();
  }

  /** The found record is about to be replaced. */
  #forgetOld(namespace: Namespace): void {
    const { lengths } = namespace.index;
    const bytes = recordBytes(keyLengthOf(lengths), valueLengthOf(lengths));
    const share = this.table.at(namespace.index.segment).share(namespace.id);
    share.liveRecords--;
    share.liveBytes -= bytes;
    namespace.liveBytes -= bytes;
    namespace.valueBytes -= valueLengthOf(lengths);
  }

  /** Does writes whose room was asked for as a whole: none of them may be refused half way. */
  withRoomGranted<T>(work: () => T): T {
    this.#isRoomGranted = true;
    try {
      return work();
    } finally {
      this.#isRoomGranted = false;
    }
  }

  /** Whether `bytes` more fit; deletions may use the headroom beside the reserved room. */
  hasRoom(namespace: Namespace, bytes: number, mayUseHeadroom: boolean): boolean {
    const { maxBytes } = namespace.settings;
    if (namespace.id === SYSTEM_NAMESPACE || this.#isRoomGranted) return true;
    if (!mayUseHeadroom && !this.disk.admits(bytes)) return false;
    if (maxBytes === 0) return true;
    const headroom = mayUseHeadroom ? headroomBytes(maxBytes) : 0;
    return namespace.usedBytes + bytes <= maxBytes + headroom;
  }

  nowSeconds(): number {
    return Math.floor(this.nowMs() / 1000);
  }
}
