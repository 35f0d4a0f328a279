import { GridError } from '@commongrid/base';
import type { ZdbErrorCode } from '../errors.ts';
import type { Files } from './files.ts';
import {
  isDeletion,
  packLengths,
  packOwner,
  recordBytes,
  RecordKind,
  SEGMENT_BYTES_MAX,
} from './format.ts';
import type { LogRecord } from './frame-reader.ts';
import type { History, ScanOptions, ScanPage, StoredRecord } from './history.ts';
import type { HourWindow } from './hour-window.ts';
import { KeyHasher } from './key-hash.ts';
import type { Locator } from './locator.ts';
import type { Durability, Log } from './log.ts';
import type { Maintenance } from './maintenance.ts';
import {
  DEFAULT_NAMESPACE,
  type Namespace,
  type NamespaceMode,
  NAMESPACES_MAX,
  type NamespaceSettings,
  newNamespaceSettings,
  SYSTEM_NAMESPACE,
} from './namespace.ts';
import { encodeSettings, type Namespaces, settingsKey } from './namespaces.ts';
import type { FetchedRecord, RecordReader } from './record-reader.ts';
import type { RecoveryEvent } from './recovery.ts';
import type { Segment } from './segment.ts';
import { ENTRY_BYTES } from './segment-index.ts';
import type { SegmentTable } from './segment-table.ts';
import type { BadRecord, Scrubber } from './scrubber.ts';
import { openParts, type StoreParts } from './store-parts.ts';

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
  readonly onDurable?: (sequence: number) => void;
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

/** What became of a lookup; `fault` means: await store.reader.fetch(store.reader.fault), try again. */
export type Found = 'live' | 'deleted' | 'absent' | 'fault';

/** From here on compaction looks at a namespace with reserved room. */
const COMPACT_FROM_PART = 0.85;
/** Records fetched for one operation: the key's, and others of the same hash. */
const FETCHED_MAX = 4;
const WHOLE_RECORD = -1;
const KEY_ONLY = -2;
const NEXT_NAMESPACE_ID = Buffer.from('next-namespace-id');

/**
 * The store of one data folder: all its namespaces over one log. Operations are synchronous and act on
 * memory; what they wrote is on disk when `onDurable` says so. An operation that needs a record from a
 * slow disk answers 'fault' and is tried again after a fetch.
 */
export class Store {
  readonly options: StoreOptions;
  // Made anew by reopenReadOnly() and reopenAfter().
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
  /** Deletions above this sequence are kept for replicas that have not passed them. */
  deletionsUpTo = Number.MAX_SAFE_INTEGER;
  /** Why nothing is written, when nothing is. */
  readOnlyReason: string | undefined;
  /** A reply that shows what the last operation saw may leave when this sequence is on disk. */
  seen = 0;
  /** Called when the log is on disk up to a sequence, after `onDurable` of the options. */
  readonly durableListeners = new Set<(sequence: number) => void>();
  readonly #nowMs: () => number;
  readonly #hooks = {
    deletionsUpTo: (): number => this.deletionsUpTo,
    onDurable: (sequence: number): void => {
      for (const listener of this.durableListeners) listener(sequence);
    },
  };

  private constructor(options: StoreOptions) {
    this.options = options;
    this.#nowMs = options.nowMs ?? Date.now;
    const isReadOnly = options.isReadOnly ?? false;
    const parts = openParts(options, { isReadOnly, ...this.#hooks });
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
    if (isReadOnly) this.readOnlyReason = 'opened read-only';
    if (parts.table.quarantine.length > 0) {
      this.readOnlyReason = `${parts.table.quarantine.length} damaged stretch(es) in quarantine`;
    }
  }

  /**
   * Opens a folder, or makes a new store in an empty one.
   * @throws GridError ZDB_FORMAT_NEWER, ZDB_MANIFEST_CORRUPT, ZDB_MANIFEST_MISSING,
   *   ZDB_SEGMENT_MISSING, ZDB_SEGMENT_CORRUPT
   */
  static async open(options: StoreOptions): Promise<Store> {
    const store = new Store(options);
    if (options.isReplica === true || store.readOnlyReason !== undefined) {
      store.#expectDefault(store.namespaces);
    } else if (store.namespaces.get('default') === undefined) await store.#createDefault();
    if (store.readOnlyReason === undefined) store.maintenance.kick();
    return store;
  }

  /**
   * After a failed write: forgets what memory holds and shows, read-only, what is on disk and was
   * acknowledged. Namespaces stay the same objects.
   */
  async reopenReadOnly(reason: string): Promise<void> {
    this.readOnlyReason = reason;
    await this.scrubber.close();
    await this.maintenance.close();
    const old = { table: this.table, locator: this.locator };
    const { failure } = this.log;
    this.#goOnWith(
      openParts(this.options, {
        isReadOnly: true,
        ...this.#hooks,
        ...(this.log.durability === 'always' ? { upTo: this.log.durableSequence } : {}),
      }),
    );
    this.log.failure = failure;
    await this.maintenance.close();
    old.locator.close();
    old.table.close();
  }

  /**
   * Closes the files, lets `change` work on the folder, and goes on with what is there then. Nobody
   * may write meanwhile. Namespaces that are still there stay the same objects.
   * @throws GridError as open(), and what `change` throws: the folder is opened again all the same
   */
  async reopenAfter(change: () => void): Promise<void> {
    await this.scrubber.close();
    await this.maintenance.close();
    await this.log.flush();
    this.locator.close();
    this.table.close();
    try {
      change();
    } finally {
      this.#goOnWith(openParts(this.options, { isReadOnly: false, ...this.#hooks }));
      this.maintenance.kick();
    }
  }

  #goOnWith(parts: StoreParts): void {
    if (this.options.isReplica === true) this.#expectDefault(parts.namespaces);
    parts.namespaces.keepObjects(this.namespaces);
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

  /** Until the master's settings come, a replica has a default namespace that nothing is stored of. */
  #expectDefault(namespaces: Namespaces): void {
    if (namespaces.get('default') !== undefined) return;
    namespaces.put(newNamespaceSettings(DEFAULT_NAMESPACE, 'default', 'user', this.#nowMs()));
  }

  async #createDefault(): Promise<void> {
    const mode = this.options.mode ?? 'user';
    this.putSettings(newNamespaceSettings(DEFAULT_NAMESPACE, 'default', mode, this.#nowMs()));
    await this.log.flush();
  }

  // Namespaces.

  /** @throws GridError ZDB_TOO_MANY_NAMESPACES */
  createNamespace(name: string, mode: NamespaceMode): Namespace {
    const id = this.#takeNamespaceId();
    return this.putSettings(newNamespaceSettings(id, name, mode, this.#nowMs()));
  }

  /** Empties a namespace: it goes on under a new number, and the old one's records are nobody's. */
  flushNamespace(namespace: Namespace): Namespace {
    const id = this.#takeNamespaceId();
    return this.putSettings({ ...namespace.settings, id });
  }

  removeNamespace(namespace: Namespace): void {
    const key = settingsKey(namespace.settings.name);
    const written = this.delete(this.namespaces.system, key, 0, key.length, this.nowSeconds());
    if (written !== 'deleted') throw new Error(`settings could not be removed: ${written}`);
    this.namespaces.remove(namespace);
  }

  /** Stores settings and makes them effective. */
  putSettings(settings: NamespaceSettings): Namespace {
    this.#putSystem(settingsKey(settings.name), encodeSettings(settings));
    return this.namespaces.put(settings);
  }

  /** The next number never goes back, so that old records cannot come under a new namespace. */
  #takeNamespaceId(): number {
    const stored = this.getSystem(NEXT_NAMESPACE_ID);
    const id = Math.max(
      stored === undefined ? 0 : Number(stored.toString()),
      this.namespaces.maxId + 1,
      DEFAULT_NAMESPACE + 1,
    );
    if (id > NAMESPACES_MAX) {
      throw new GridError<ZdbErrorCode>('ZDB_TOO_MANY_NAMESPACES', 'no namespace number is left');
    }
    this.log.keepTogether(4096, 2);
    this.#putSystem(NEXT_NAMESPACE_ID, Buffer.from(String(id + 1)));
    return id;
  }

  #putSystem(key: Buffer, value: Buffer): void {
    const all = Buffer.concat([key, value]);
    const { system } = this.namespaces;
    const written = this.set(
      system,
      all,
      0,
      key.length,
      key.length,
      value.length,
      this.nowSeconds(),
    );
    if (written !== 'written' && written !== 'same') {
      throw new Error(`a settings record could not be written: ${written}`);
    }
  }

  /** A record of the system namespace. */
  getSystem(key: Buffer): Buffer | undefined {
    const found = this.lookup(this.namespaces.system, key, 0, key.length);
    if (found === 'fault') throw new Error('a settings record is too large');
    return found === 'live' ? Buffer.from(this.value()) : undefined;
  }

  // Records. The reader holds what lookup() found until the next operation.

  /** Looks for the newest record of a key. @throws GridError ZDB_READ_FAILED */
  lookup(namespace: Namespace, source: Uint8Array, start: number, length: number): Found {
    this.hasher.hash(source, start, length);
    return this.#find(namespace, source, start, length, WHOLE_RECORD);
  }

  /** As lookup(), for those who do not need the value: of a large record only the head is read. */
  lookupKey(namespace: Namespace, source: Uint8Array, start: number, length: number): Found {
    this.hasher.hash(source, start, length);
    return this.#find(namespace, source, start, length, KEY_ONLY);
  }

  /** `whole`: WHOLE_RECORD, KEY_ONLY, or the lengths of a record whose value is of interest. */
  #find(
    namespace: Namespace,
    source: Uint8Array,
    start: number,
    length: number,
    whole: number,
  ): Found {
    const { index } = namespace;
    const { reader, table } = this;
    const { low, high } = this.hasher;
    // Settings are read wherever they are needed, in the turn.
    const mayWait = namespace.id === SYSTEM_NAMESPACE;
    this.seen = 0;
    for (let hit = index.first(low, high, length); hit; hit = index.next()) {
      const { offset, lengths } = index;
      const segment = table.at(index.segment);
      const isWhole = whole === WHOLE_RECORD || whole === lengths;
      const isThere = isWhole
        ? reader.view(segment, offset, lengths, mayWait)
        : reader.viewKey(segment, offset, lengths, mayWait);
      if (!isThere) return 'fault';
      const { bytes, keyStart } = reader;
      let i = 0;
      while (i < length && bytes[keyStart + i] === source[start + i]) i++;
      if (i < length) {
        // Equal hashes and another key: rare enough to make sure that it is no damage.
        if (!isWhole && !reader.view(segment, offset, lengths, mayWait)) return 'fault';
        continue;
      }
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
    mayKeepValue = false,
  ): 'written' | 'same' | 'full' | 'fault' {
    this.hasher.hash(source, keyStart, keyLength);
    const lengths = packLengths(keyLength, valueLength);
    const found = this.#find(namespace, source, keyStart, keyLength, lengths);
    if (found === 'fault') return 'fault';
    if (found === 'live' && this.#isSame(source, valueStart, valueLength)) return 'same';
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
      mayKeepValue,
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
    const found = this.lookupKey(namespace, source, keyStart, keyLength);
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
    const found = this.lookupKey(namespace, key, 0, key.length);
    if (found === 'fault') return 'fault';
    const owner = packOwner(namespace.id, RecordKind.erase);
    const bytes = recordBytes(key.length, 0);
    const now = this.nowSeconds();
    const previous = found === 'absent' ? 0 : this.reader.sequence;
    this.#write(namespace, found, bytes, owner, now, previous, key, 0, key.length, 0, 0);
    return 'written';
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
      true,
    );
  }

  /** Does an operation again, with the records that it lacked, until it is no 'fault'. */
  async retrying<T>(operation: () => T): Promise<Exclude<T, 'fault'>> {
    const fetched: FetchedRecord[] = [];
    for (;;) {
      this.reader.fetched = fetched;
      const result = operation();
      this.reader.fetched = [];
      if (result !== 'fault') return result as Exclude<T, 'fault'>;
      const { fault } = this.reader;
      if (fault === undefined) throw new Error('a fault without a record');
      if (fetched.length === FETCHED_MAX) fetched.shift();
      fetched.push(await this.reader.fetch(fault));
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
    mayKeepValue = false,
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
      mayKeepValue,
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
    const bytes = recordBytes(lengths >>> 24, lengths & 0xffffff);
    const share = this.table.at(namespace.index.segment).share(namespace.id);
    share.liveRecords--;
    share.liveBytes -= bytes;
    namespace.liveBytes -= bytes;
    namespace.valueBytes -= lengths & 0xffffff;
  }

  /** Whether `bytes` more fit; deletions may use the headroom beside the reserved room. */
  hasRoom(namespace: Namespace, bytes: number, mayUseHeadroom: boolean): boolean {
    const { maxBytes } = namespace.settings;
    if (maxBytes === 0 || namespace.id === 0) return true;
    const headroom = mayUseHeadroom ? headroomBytes(maxBytes) : 0;
    return namespace.usedBytes + bytes <= maxBytes + headroom;
  }

  /**
   * Waits for compaction to win room back in a namespace that is full.
   * Resolves false at once when nothing can be won.
   */
  async makeRoom(namespace: Namespace, bytes: number): Promise<boolean> {
    if (this.hasRoom(namespace, bytes, false)) return true;
    if (namespace.usedBytes <= namespace.liveBytes) return false;
    return this.maintenance.makeRoom(namespace, bytes);
  }

  /** A record by its sequence; undefined when none is kept. @throws GridError ZDB_READ_FAILED */
  recordAt(sequence: number): Promise<StoredRecord | undefined> {
    return this.history.recordAt(sequence);
  }

  /** The newest records of a namespace in order of their sequence. */
  scan(namespace: Namespace, options?: ScanOptions): Promise<ScanPage> {
    return this.history.scan(namespace, options);
  }

  nowSeconds(): number {
    return Math.floor(this.#nowMs() / 1000);
  }

  /** Writes and syncs everything, and closes the files. */
  async close(): Promise<void> {
    await this.scrubber.close();
    await this.maintenance.close();
    try {
      await this.log.close();
      if (this.log.failure === undefined && this.readOnlyReason === undefined) {
        this.table.durableSequence = this.log.durableSequence;
        this.table.save();
      }
    } finally {
      this.locator.close();
      this.table.close();
    }
  }
}

/** Segment size for a namespace with reserved room: never more than a sixteenth of it. */
export function segmentBytesFor(maxBytes: number): number {
  if (maxBytes === 0) return SEGMENT_BYTES_MAX;
  return Math.min(SEGMENT_BYTES_MAX, Math.max(1024 * 1024, Math.floor(maxBytes / 16)));
}

/** Room beside the reserved one for deletions, fences and compaction. */
export function headroomBytes(maxBytes: number): number {
  return Math.max(2 * segmentBytesFor(maxBytes), Math.floor(maxBytes / 16));
}
