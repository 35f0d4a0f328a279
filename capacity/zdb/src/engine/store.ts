import { GridError, isGridError } from '@commongrid/base';
import type { ZdbErrorCode } from '../errors.ts';
import type { History, ScanOptions, ScanPage, StoredRecord } from './reading/history.ts';
import {
  DEFAULT_NAMESPACE,
  type Namespace,
  type NamespaceMode,
  NAMESPACES_MAX,
  type NamespaceSettings,
  newNamespaceSettings,
} from './namespace.ts';
import { encodeSettings, type Namespaces, NEXT_NAMESPACE_ID, settingsKey } from './namespaces.ts';
import { Records } from './records.ts';
import { cutLog } from './log/cut-log.ts';
import { SegmentGone } from './log/segment-gone.ts';
import { openParts, type StoreParts } from './start/store-parts.ts';
import type { StoreOptions } from './store-options.ts';
import { AgeClock } from './upkeep/age-clock.ts';
import { finishErasures } from './upkeep/erasure.ts';

/** What the parts of a store ask it for; it outlives them. */
class StoreHooks {
  readonly ages: AgeClock;
  deletionsUpTo = Number.MAX_SAFE_INTEGER;
  numbersGiven = (): number => 0;
  readonly durableListeners = new Set<(sequence: number) => void>();
  readonly context;

  constructor(options: StoreOptions) {
    this.ages = new AgeClock({
      nowMs: options.nowMs ?? Date.now,
      monotonicMs: options.monotonicMs ?? (() => performance.now()),
      onAhead: options.onClockAhead ?? (() => undefined),
    });
    this.context = {
      ages: this.ages,
      numbersGiven: (): number => this.numbersGiven(),
      deletionsUpTo: (): number => this.deletionsUpTo,
      onDurable: (sequence: number): void => {
        for (const listener of this.durableListeners) listener(sequence);
      },
    };
  }
}

/**
 * The store of one data folder: all its namespaces over one log. Operations are synchronous and act on
 * memory; what they wrote is on disk when `onDurable` says so. An operation that needs a record from a
 * slow disk answers 'fault' and is tried again after a fetch.
 */
export class Store extends Records {
  readonly options: StoreOptions;
  /** Why nothing is written, when nothing is. */
  readOnlyReason: string | undefined;
  readonly #hooks: StoreHooks;
  /** Erasures that were under way when the files were closed before. */
  #erasing: Promise<void> | undefined;

  private constructor(options: StoreOptions) {
    const hooks = new StoreHooks(options);
    const isReadOnly = options.isReadOnly ?? false;
    const parts = openParts(options, { isReadOnly, ...hooks.context });
    super(parts, options.nowMs ?? Date.now);
    this.options = options;
    this.#hooks = hooks;
    hooks.numbersGiven = () => this.#numbersGiven();
    if (isReadOnly) this.readOnlyReason = 'opened read-only';
    this.#noteQuarantine();
  }

  #noteQuarantine(): void {
    const { length } = this.table.quarantine;
    if (length > 0) this.readOnlyReason = `${length} damaged stretch(es) in quarantine`;
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
    } else if (store.namespaces.get('default') === undefined) {
      try {
        await store.#createDefault();
      } catch (error) {
        // What is wrong stands in `error`; closing writes nothing after a failure.
        await store.close().catch(() => undefined);
        throw error;
      }
    }
    if (store.readOnlyReason === undefined) store.#goOn();
    return store;
  }

  /**
   * After a failed write: forgets what memory holds and shows, read-only, what is on disk and was
   * acknowledged. Namespaces stay the same objects.
   */
  async reopenReadOnly(reason: string): Promise<void> {
    this.readOnlyReason = reason;
    await this.#stopMaintenance();
    const old = { table: this.table, locator: this.locator };
    const { failure } = this.log;
    this.#goOnWith(
      openParts(this.options, {
        isReadOnly: true,
        ...this.#hooks.context,
        ...(this.log.durability === 'always' ? { upTo: this.log.durableSequence } : {}),
      }),
    );
    this.log.failure = failure;
    await this.maintenance.close();
    old.locator.close();
    old.table.close();
  }

  /**
   * Takes writes again after `reopenReadOnly`, on a disk that was full and has room by now: the folder is
   * brought into order as a start does it, and then `prepare` may read what is there. In `always`, what
   * was never acknowledged is cut off first. Namespaces stay the same objects. Where it throws the store
   * goes on as it was, and this can be called again. With damage in the folder it stays read-only.
   * @throws GridError as open(), and what the disk and `prepare` throw
   */
  async writeAgain(prepare: () => Promise<void>): Promise<void> {
    await this.#stopMaintenance();
    const old = { table: this.table, locator: this.locator };
    if (this.log.durability === 'always') {
      cutLog(old.table.files, old.table.segments, this.log.durableSequence);
    }
    this.#goOnWith(openParts(this.options, { isReadOnly: false, ...this.#hooks.context }));
    old.locator.close();
    old.table.close();
    await prepare();
    this.readOnlyReason = undefined;
    this.#noteQuarantine();
    if (this.readOnlyReason === undefined) this.#goOn();
  }

  /**
   * Closes the files, lets `change` work on the folder, and goes on with what is there then. Nobody
   * may write meanwhile. Namespaces that are still there stay the same objects.
   * @throws GridError as open(), and what `change` throws: the folder is opened again all the same
   */
  async reopenAfter(change: () => void): Promise<void> {
    await this.#stopMaintenance();
    await this.log.flush();
    this.locator.close();
    this.table.close();
    try {
      change();
    } finally {
      this.#goOnWith(openParts(this.options, { isReadOnly: false, ...this.#hooks.context }));
      this.#goOn();
    }
  }

  /** Begins what a store has to do by itself. */
  #goOn(): void {
    this.maintenance.kick();
    if (this.table.erasures?.length === 0) return;
    this.#erasing = finishErasures(this).catch((error: unknown) => {
      if (!isGridError(error, 'ZDB_CLOSED')) this.options.onError?.(error, 'erasure');
    });
  }

  async #stopMaintenance(): Promise<void> {
    await this.scrubber.close();
    await this.maintenance.close();
    await this.#erasing;
  }

  #goOnWith(parts: StoreParts): void {
    if (this.options.isReplica === true) this.#expectDefault(parts.namespaces);
    parts.namespaces.keepObjects(this.namespaces);
    this.useParts(parts);
  }

  /** Until the master's settings come, a replica has a default namespace that nothing is stored of. */
  #expectDefault(namespaces: Namespaces): void {
    if (namespaces.get('default') !== undefined) return;
    namespaces.put(newNamespaceSettings(DEFAULT_NAMESPACE, 'default', 'user', this.nowMs()));
  }

  async #createDefault(): Promise<void> {
    const mode = this.options.mode ?? 'user';
    this.putSettings(newNamespaceSettings(DEFAULT_NAMESPACE, 'default', mode, this.nowMs()));
    await this.log.flush();
  }

  /** The time by which the age of history is judged. */
  get ages(): AgeClock {
    return this.#hooks.ages;
  }

  /** Deletions above this sequence are kept for replicas that have not passed them. */
  get deletionsUpTo(): number {
    return this.#hooks.deletionsUpTo;
  }
  set deletionsUpTo(sequence: number) {
    this.#hooks.deletionsUpTo = sequence;
  }

  /** Called when the log is on disk up to a sequence, after `onDurable` of the options. */
  get durableListeners(): Set<(sequence: number) => void> {
    return this.#hooks.durableListeners;
  }

  // Namespaces.

  /** @throws GridError ZDB_TOO_MANY_NAMESPACES */
  createNamespace(name: string, mode: NamespaceMode): Namespace {
    const id = this.#takeNamespaceId();
    return this.putSettings(newNamespaceSettings(id, name, mode, this.nowMs()));
  }

  /** Empties a namespace: it goes on under a new number, and the old one's records are nobody's. */
  flushNamespace(namespace: Namespace): Namespace {
    const id = this.#takeNamespaceId();
    const emptied = this.putSettings({ ...namespace.settings, id });
    this.maintenance.kick();
    return emptied;
  }

  removeNamespace(namespace: Namespace): void {
    const key = settingsKey(namespace.settings.name);
    const written = this.delete(this.namespaces.system, key, 0, key.length, this.nowSeconds());
    if (written !== 'deleted') throw new Error(`settings could not be removed: ${written}`);
    this.namespaces.remove(namespace);
    this.maintenance.kick();
  }

  /** Stores settings and makes them effective. */
  putSettings(settings: NamespaceSettings): Namespace {
    this.putSystem(settingsKey(settings.name), encodeSettings(settings));
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
    this.putSystem(NEXT_NAMESPACE_ID, Buffer.from(String(id + 1)));
    return id;
  }

  /** Numbers below this one have been given out, as far as that can be told at once. */
  #numbersGiven(): number {
    const { system } = this.namespaces;
    const found = this.lookup(system, NEXT_NAMESPACE_ID, 0, NEXT_NAMESPACE_ID.length);
    return found === 'live' ? Number(this.value().toString()) : 0;
  }

  /** Writes a record of the store's own. What it replaces must be in memory, or be small. */
  putSystem(key: Buffer, value: Buffer): void {
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

  /**
   * Waits for compaction to win room back in a namespace that is full.
   * Resolves false at once when nothing can be won.
   */
  async makeRoom(namespace: Namespace, bytes: number): Promise<boolean> {
    if (this.hasRoom(namespace, bytes, false)) return true;
    if (namespace.usedBytes <= namespace.liveBytes) return false;
    if (this.disk.isShort) {
      try {
        await this.maintenance.compactAll(namespace);
      } catch (error) {
        // Others may have filled the disk to its end, or the files are opened anew just now.
        if (!isGridError(error, 'ZDB_CLOSED')) this.options.onError?.(error, 'compaction');
        return false;
      }
      return this.hasRoom(namespace, bytes, false);
    }
    return this.maintenance.makeRoom(namespace, bytes);
  }

  /** A record by its sequence; undefined when none is kept. @throws GridError ZDB_READ_FAILED */
  recordAt(sequence: number): Promise<StoredRecord | undefined> {
    return this.#reading((history) => history.recordAt(sequence));
  }

  /** The newest records of a namespace in order of their sequence. */
  scan(namespace: Namespace, options?: ScanOptions): Promise<ScanPage> {
    return this.#reading((history) => history.scan(namespace, options));
  }

  /** Begins again when the files were opened anew meanwhile. @throws GridError ZDB_CLOSED */
  async #reading<T>(work: (history: History) => Promise<T>): Promise<T> {
    for (;;) {
      const { history } = this;
      try {
        return await work(history);
      } catch (error) {
        if (!(error instanceof SegmentGone)) throw error;
        if (history === this.history) {
          throw new GridError<ZdbErrorCode>('ZDB_CLOSED', 'the store was closed meanwhile');
        }
      }
    }
  }

  /** Writes and syncs everything, and closes the files. */
  async close(): Promise<void> {
    await this.#stopMaintenance();
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
