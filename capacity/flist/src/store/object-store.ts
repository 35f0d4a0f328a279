import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';

import {
  closeOnce,
  FolderLock,
  GridError,
  isGridError,
  repeat,
  silentLogger,
  systemClock,
  TaskGroup,
} from '@commongrid/base';
import type { BaseErrorCode } from '@commongrid/base';

import type { Flist, FlistDigest, TraceRange } from '../format/flist.ts';
import { objectIdOf } from '../format/object-id.ts';
import type { ObjectId } from '../format/object-id.ts';
import type { ChunkHash } from '../ports.ts';
import type { RegularFile } from '../tree/inode.ts';
import { ChunkPlaces } from './chunk-places.ts';
import { ChunkSupply } from './chunk-supply.ts';
import { fetchAhead } from './fetch-ahead.ts';
import { chunkCountOf } from './file-chunks.ts';
import { KnownFlists } from './known-flists.ts';
import { ObjectFiles } from './object-files.ts';
import type { EntryKey, ObjectLedger } from './object-ledger.ts';
import type { PaceOptions } from './pace.ts';
import { openLedger, reconcile } from './reconcile-store.ts';
import { StoreRoom } from './store-room.ts';
import { StoreShelf } from './store-shelf.ts';
import type {
  ChunkPlace,
  NeedOptions,
  ObjectStoreOptions,
  StoreScrubResult,
  StoreUsage,
  VerifyResult,
} from './store-types.ts';
import { StoreUpkeep } from './store-upkeep.ts';
import { finishingMax, WholeFiles } from './whole-files.ts';

/** How often new files are brought to disk. */
const settleEveryMs = 5_000;

/**
 * The verified cache of a node: whole files by object id, which overlays read natively, and single
 * chunks of files that are not whole yet. Nothing gets in unverified. See the README.
 */
export class ObjectStore implements AsyncDisposable {
  /** Where whole files are, as `ab/...`: a lower layer of overlays. */
  readonly objectsFolder: string;
  readonly close: () => Promise<void>;
  readonly #options: ObjectStoreOptions;
  readonly #ledger: ObjectLedger;
  readonly #files: ObjectFiles;
  readonly #flists: KnownFlists;
  readonly #room: StoreRoom;
  readonly #places: ChunkPlaces;
  readonly #shelf: StoreShelf;
  readonly #upkeep: StoreUpkeep;
  readonly #supply: ChunkSupply;
  readonly #whole: WholeFiles;
  readonly #tasks: TaskGroup;
  /** What callers wait for: `close` does not take the ledger away under it. */
  readonly #working = new Set<Promise<unknown>>();

  private constructor(options: ObjectStoreOptions, parts: StoreParts) {
    const { ledger, files, flists, lock } = parts;
    const { sources, maxBytes, clock = systemClock, logger = silentLogger } = options;
    this.#options = options;
    this.#ledger = ledger;
    this.#files = files;
    this.#flists = flists;
    this.objectsFolder = files.folders.object;
    this.#room = new StoreRoom({ ledger, files, flists, maxBytes, clock });
    this.#places = new ChunkPlaces(ledger, flists, this.#room);
    const onDamaged = (key: EntryKey): void => this.#tell(key);
    this.#shelf = new StoreShelf({ ledger, files, room: this.#room, clock, onDamaged });
    this.#upkeep = new StoreUpkeep({
      ...{ ledger, files, shelf: this.#shelf, clock, logger },
      replace: (id, signal) => this.#replace(id, signal),
    });
    this.#tasks = new TaskGroup({
      maxTasks: finishingMax + 1,
      onError: (err, name) => logger.warn({ err }, `${name} failed`),
    });
    const [places, shelf, tasks] = [this.#places, this.#shelf, this.#tasks];
    this.#supply = new ChunkSupply({
      ...{ sources, flists, files, places, shelf, onNext: options.onNext },
      onRead: (file, id) => this.#whole.finishLater(file, id),
    });
    const pathOf = (key: EntryKey): string => files.pathOf(key);
    this.#whole = new WholeFiles({ ledger, places, shelf, supply: this.#supply, tasks, pathOf });
    this.close = closeOnce(async () => {
      await this.#supply.close();
      await this.#tasks.close();
      while (this.#working.size > 0) await Promise.allSettled(this.#working);
      try {
        this.#room.writeUses();
        ledger.setNote('clean', 'yes');
      } catch (error) {
        // Without the note the files are judged anew when the store is opened.
        if (!isGridError(error, 'FLIST_DISK_FULL')) throw error;
      }
      ledger[Symbol.dispose]();
      await lock.close();
    });
  }

  /** @throws BASE_FOLDER_LOCKED */
  static async open(options: ObjectStoreOptions): Promise<ObjectStore> {
    const { folder, clock = systemClock } = options;
    await mkdir(folder, { recursive: true, mode: 0o700 });
    await using stack = new AsyncDisposableStack();
    const lock = stack.use(await FolderLock.open(folder));
    const files = await ObjectFiles.open(folder);
    const ledger = stack.use(await openLedger(join(folder, 'ledger.db')));
    const damaged = await reconcile(ledger, files, clock.nowMs());
    const flists = await KnownFlists.open(folder, ledger);
    const store = new ObjectStore(options, { ledger, files, flists, lock });
    stack.move();
    for (const key of damaged) store.#tell(key);
    store.#tasks.start('settling', (signal) =>
      repeat(settleEveryMs, () => store.settle(), { signal, clock }),
    );
    return store;
  }

  get usage(): StoreUsage {
    const { usedBytes, evictedBytes } = this.#room;
    return {
      ...{ usedBytes, maxBytes: this.#options.maxBytes, evictedBytes },
      objects: this.#ledger.total('object').count,
      chunks: this.#ledger.total('chunk').count,
      pins: this.#flists.pins.size,
      ...this.#supply.usage,
    };
  }

  /** Lets the store know an flist, for good: its objects can be asked for. @throws FLIST_STORE_FULL */
  addFlist(digest: FlistDigest, flist: Flist): Promise<void> {
    return this.#flists.add(digest, flist);
  }

  /** An flist that was added, perhaps before the store was opened. */
  flistOf(digest: FlistDigest): Promise<Flist | undefined> {
    return this.#flists.get(digest);
  }

  /** Its canonical bytes. */
  flistBytesOf(digest: FlistDigest): Promise<Buffer | undefined> {
    return this.#flists.bytesOf(digest);
  }

  /** From now on nothing that the flist names is evicted. @throws FLIST_OBJECT_UNKNOWN */
  pin(mountId: string, digest: FlistDigest): void {
    this.#flists.pin(mountId, digest);
    this.#room.noteChange();
  }

  unpin(mountId: string): void {
    this.#flists.unpin(mountId);
    this.#room.noteChange();
  }

  /** Which mount needs which flist, also from before the store was opened. */
  get pins(): ReadonlyMap<string, FlistDigest> {
    return this.#flists.pins;
  }

  /** Whether it is whole in `objectsFolder`. */
  hasObject(id: ObjectId): boolean {
    return this.#whole.has(id);
  }

  /** Bytes of the object; undefined when no flist names it. */
  sizeOf(id: ObjectId): number | undefined {
    return this.#flists.fileOf(id)?.sizeBytes;
  }

  /**
   * Where a chunk is, if it is here. The file can be gone when it is opened: then ask again. Its bytes
   * were right when they were written; `reportDamage` tells the store that they are not any more.
   */
  whereIs(id: ObjectId, chunkIndex: number): ChunkPlace | undefined {
    const place = this.#places.find(id, chunkIndex);
    return place && { path: this.#files.pathOf(place.key), offset: place.offset };
  }

  /**
   * Brings chunks here, and the file whole once all of it is here. Files up to 4 MiB are made whole
   * in the background.
   * @throws FLIST_OBJECT_UNKNOWN, FLIST_CHUNK_UNAVAILABLE, FLIST_STORE_FULL, FLIST_DISK_FULL (when
   *   the two last happen, `readChunk` still works), BASE_ABORTED
   */
  need(id: ObjectId, firstChunk: number, count: number, options: NeedOptions = {}): Promise<void> {
    return this.#work(() => this.#need(id, firstChunk, count, options));
  }

  /**
   * The bytes of a chunk, verified now: from here, or from the sources and then kept here if there
   * is room.
   * @throws FLIST_OBJECT_UNKNOWN, FLIST_CHUNK_UNAVAILABLE, BASE_ABORTED
   */
  readChunk(id: ObjectId, chunkIndex: number, options: NeedOptions = {}): Promise<Buffer> {
    return this.#work(() => this.#supply.read(id, chunkIndex, options));
  }

  /** Somebody read other bytes than there should be: the file is verified, and removed if damaged. */
  reportDamage(id: ObjectId, chunkIndex: number): Promise<void> {
    return this.#work(async () => {
      const place = this.#places.find(id, chunkIndex);
      if (place !== undefined) await this.#shelf.examine(place.key);
    });
  }

  /**
   * Fetches ahead: the ranges, or what a start of the image reads, or the whole image.
   * @throws what `need` throws, after the rest was tried as far as that makes sense
   */
  async prefetch(
    digest: FlistDigest,
    options: {
      readonly ranges?: readonly TraceRange[];
      readonly whole?: boolean;
      readonly signal?: AbortSignal;
    } = {},
  ): Promise<void> {
    const { ranges, whole = false, signal } = options;
    const flist = await this.#flists.get(digest);
    const wanted = whole ? wholeOf(this.#flists.filesOf(digest)) : (ranges ?? flist?.trace ?? []);
    await fetchAhead(wanted, ({ file, firstChunk, chunkCount }) =>
      this.need(objectIdOf(file), firstChunk, chunkCount, { signal, priority: 'ahead' }),
    );
  }

  /**
   * Before a mount: files that changed since they were verified are read again, and removed with an
   * event when they have other bytes.
   */
  verifyObjectsOf(digest: FlistDigest): Promise<VerifyResult> {
    return this.#work(() => this.#upkeep.verify(digest, () => this.#flists.filesOf(digest).keys()));
  }

  /** Reads and verifies all files. What a mount needs and was damaged is fetched again. */
  scrub(options: PaceOptions = {}): Promise<StoreScrubResult> {
    const { signal, bytesPerSecond } = options;
    return this.#work(() => this.#upkeep.scrub({ bytesPerSecond, signal: this.#until(signal) }));
  }

  /** Brings files to disk, so that they need not be verified again after a power cut. */
  settle(): Promise<void> {
    return this.#work(() => this.#upkeep.settle(this.#tasks.signal));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #work<T>(work: () => Promise<T>): Promise<T> {
    if (this.#tasks.signal.aborted) throw closedError();
    const working = work();
    this.#working.add(working);
    try {
      return await working;
    } finally {
      this.#working.delete(working);
    }
  }

  /** Fires with the caller's signal, and when the store closes. */
  #until(signal: AbortSignal | undefined): AbortSignal {
    const own = this.#tasks.signal;
    return signal === undefined ? own : AbortSignal.any([own, signal]);
  }

  async #need(
    id: ObjectId,
    firstChunk: number,
    count: number,
    options: NeedOptions,
  ): Promise<void> {
    await this.#supply.bring(id, firstChunk, count, options);
    const file = this.#supply.fileOf(id);
    if (!(await this.#whole.promoteIfWhole(file, id))) this.#whole.finishLater(file, id);
  }

  #tell({ kind, name }: EntryKey): void {
    const { onEvent = () => {}, logger = silentLogger } = this.#options;
    logger.warn({ kind, name }, 'a file of the store was damaged and is removed');
    if (kind === 'chunk') onEvent({ kind: 'chunk-damaged', hash: name as ChunkHash });
    else {
      const object = name as ObjectId;
      onEvent({ kind: 'object-tainted', object, mounts: this.#flists.mountsOf(object) });
    }
  }

  /** What a mount needs is there again before somebody asks. */
  async #replace(id: ObjectId, signal: AbortSignal | undefined): Promise<void> {
    const file = this.#flists.fileOf(id);
    if (file === undefined || this.#flists.mountsOf(id).length === 0) return;
    try {
      await this.need(id, 0, chunkCountOf(file), { signal, priority: 'ahead' });
    } catch (error) {
      if (!isGridError(error)) throw error;
      this.#options.logger?.warn({ err: error, id }, 'a damaged file is not there again yet');
    }
  }
}

interface StoreParts {
  readonly ledger: ObjectLedger;
  readonly files: ObjectFiles;
  readonly flists: KnownFlists;
  readonly lock: FolderLock;
}

function* wholeOf(files: ReadonlyMap<ObjectId, RegularFile>): Generator<TraceRange, void> {
  for (const file of files.values()) {
    yield { file, firstChunk: 0, chunkCount: chunkCountOf(file) };
  }
}

function closedError(): GridError<BaseErrorCode> {
  return new GridError('BASE_CLOSED', 'the store is closed');
}
