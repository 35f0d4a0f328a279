import { join } from 'node:path';
import type { DatabaseSync } from 'node:sqlite';
import {
  closeOnce,
  ControlSocket,
  GridError,
  silentLogger,
  systemClock,
  throwIfAborted,
} from '@commongrid/base';
import type { BaseErrorCode, Clock, Logger } from '@commongrid/base';
import type { BackendPool } from './backends/backend-pool.ts';
import { readBackendsFile } from './backends/backends-file.ts';
import type { BackendSpec } from './backends/backends-file.ts';
import type { Credit } from './backends/credit.ts';
import { BlobReader } from './blob/blob-reader.ts';
import type { BlobSpan, ReadOptions, StreamOptions } from './blob/blob-reader.ts';
import { BlobWriter } from './blob/blob-writer.ts';
import type { StoragePolicy, WriteOptions } from './blob/blob-writer.ts';
import { ChunkIds } from './blob/chunk-ids.ts';
import { ChunkPins } from './blob/chunk-pins.ts';
import type { ChunkRecord } from './blob/chunk-record.ts';
import { ChunkTable } from './blob/chunk-table.ts';
import type { ShardFault } from './blob/shard-fetch.ts';
import { openStreamBudget } from './blob/stream-budget.ts';
import { careActions, controlPathOf } from './care/care-actions.ts';
import type { StoreActions } from './care/care-actions.ts';
import { Care } from './care/care.ts';
import type { CareTimes } from './care/care-options.ts';
import { reencodeBlob } from './care/reencode.ts';
import type { ReencodeOptions, ReencodeParts } from './care/reencode.ts';
import type { StoredBlob, WrittenBlob } from './blob/written-blob.ts';
import { Catalog } from './catalog/catalog.ts';
import type { CareOptions } from './catalog/catalog-care.ts';
import { Collection } from './collection/collection.ts';
import type { ZstorErrorCode } from './errors.ts';
import type { Manifest } from './manifest/manifest.ts';
import { Manifests } from './manifest/manifests.ts';
import type { Documented } from './manifest/manifests.ts';
import { epochBaseOf } from './rebuild/rebuild-tables.ts';
import { requireFinished } from './rebuild/unfinished-rebuild.ts';
import { checkBlob } from './stor/check-blob.ts';
import type { BlobCheck } from './stor/check-blob.ts';
import { listBackends } from './stor/backend-tables.ts';
import * as tables from './stor/blob-tables.ts';
import { chunkIdsIn, DispersedSnapshots, recordsIn } from './stor/dispersed-snapshots.ts';
import { firstMembersOf, keepsLog, logNamesOf, openMemberOf } from './stor/log-place.ts';
import { beginServing } from './stor/begin-serving.ts';
import { openBackends } from './stor/open-backends.ts';
import { KeyRing } from './stor/key-ring.ts';
import type { KeyWrap } from './stor/key-wrap.ts';
import { LogSpares } from './stor/log-spares.ts';
import { SnapshotIndex } from './stor/snapshot-index.ts';
import { deleteSnapshot, insertSnapshot, listSnapshots } from './stor/snapshot-tables.ts';
import { keyMissing, StorKeys } from './stor/stor-keys.ts';
import { CodingThreads } from './threads/coding-threads.ts';

/** Longest silence of backends that a head which just took over waits for, ms: clients wait meanwhile. */
const patienceMs = 500;

export interface BlobStoreOptions {
  /** For the tables, in `catalog`; made when it is missing. One process at a time. */
  readonly folder: string;
  readonly backendsFile: string;
  /** Default `key` in the folder. */
  readonly keyFile?: string | undefined;
  /** How snapshots of the tables are kept; its m says how many keep the log of a store that is new. */
  readonly policy: StoragePolicy;
  /** Scripts that make the tables: those of blobs, and of whoever refers to blobs. */
  readonly schema: readonly string[];
  /** Begins a store where none is yet: makes its key and its log. Default false. */
  readonly canBegin?: boolean;
  /**
   * For a head that goes on for ever: it takes the catalogue over whenever nobody answers, from the
   * start on. Without it the catalogue is taken over at the start, whoever served, and again only when
   * nobody else has done so since. It may read the tables, which follow the log.
   */
  readonly isOtherActive?:
    | ((catalog: Pick<Catalog, 'read'>, signal: AbortSignal) => Promise<boolean>)
    | undefined;
  /** Hears of shards that are missing or wrong; they were read from elsewhere. */
  readonly onFault?: (fault: ShardFault) => void;
  /** When and how fast what is lost is made again. */
  readonly care?: CareTimes | undefined;
  /** What the owner can be asked for at the control socket, beside `careActions`. */
  readonly actions?: StoreActions | undefined;
  /** When snapshots are taken, and members of the log replaced. */
  readonly logCare?: Omit<CareOptions, 'spare'> | undefined;
  /** What the tables say of a version, for a manifest that could not be written. Default: of none. */
  readonly manifestOf?: ((db: DatabaseSync, versionId: Buffer) => Manifest | undefined) | undefined;
  /**
   * Whether no version has this id, nor ever will: its manifest is deleted. `epoch` is that of this
   * head; what it has given away itself may still come.
   */
  readonly isForgotten?:
    | ((db: DatabaseSync, versionId: Buffer, epoch: number) => boolean)
    | undefined;
  /** Called between any two steps of packing and collection, for tests that end the process there. */
  readonly onStep?: ((step: string) => void) | undefined;
  /** Opens it though a rebuild has not ended: for the rebuild itself. */
  readonly isRebuilding?: boolean;
  readonly clock?: Clock;
  readonly logger?: Logger;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Blobs over the backends of a file, and tables in which their owner keeps what refers to them. One
 * head serves at a time; the calls of others fail with ZSTOR_CATALOG_NOT_SERVING,
 * ZSTOR_CATALOG_RESULT_UNKNOWN.
 */
export class BlobStore implements AsyncDisposable {
  /** What the control socket of its folder offers. */
  readonly actions: StoreActions;
  readonly care: Care;
  readonly catalog: Catalog;
  readonly collection: Collection;
  readonly backends: BackendPool;
  readonly keys: StorKeys;
  readonly #pins: ChunkPins;
  readonly #recoding: ReencodeParts;
  readonly #ring: KeyRing;
  readonly #policy: StoragePolicy;
  readonly manifests: Manifests;
  readonly #writer: BlobWriter;
  readonly #reader: BlobReader;
  readonly close: () => Promise<void>;

  private constructor(parts: Parts, stack: AsyncDisposableStack) {
    this.actions = parts.actions;
    this.care = parts.care;
    this.catalog = parts.catalog;
    this.collection = parts.collection;
    this.#pins = parts.pins;
    this.#recoding = parts.recoding;
    this.backends = parts.backends;
    this.keys = parts.keys;
    this.#ring = parts.ring;
    this.#policy = parts.policy;
    this.manifests = parts.manifests;
    this.#writer = parts.writer;
    this.#reader = parts.reader;
    this.close = closeOnce(() => stack.disposeAsync());
  }

  /**
   * Resolves once this head serves. 1. Read the key; where there is no store yet, make it and a log.
   * 2. Follow the log, and connect to the backends, under the numbers that the tables have for them, so that nothing
   * is waited for later. 3. Take the log over: 1.5 s, or as long as another head serves.
   * @throws ZSTOR_BACKENDS_INVALID, ZSTOR_KEY_MISSING, ZSTOR_KEY_INVALID, ZSTOR_STORE_UNKNOWN,
   *   ZSTOR_REBUILD_UNFINISHED, BASE_FOLDER_LOCKED, and as `Catalog.takeOver`
   */
  static async open(options: BlobStoreOptions): Promise<BlobStore> {
    const { folder, backendsFile, policy, schema, clock = systemClock } = options;
    const { logger = silentLogger } = options;
    if (options.isRebuilding !== true) await requireFinished(folder);
    const specs = await readBackendsFile(backendsFile);
    const keys = await openKeys(options, specs);
    const { metadataKey } = keys;
    await using stack = new AsyncDisposableStack();
    const threads = stack.use(CodingThreads.open());
    const budget = openStreamBudget();
    const opened: { store?: BlobStore } = {};
    const snapshots = new DispersedSnapshots({
      ...{ backendsFile, policy, threads, budget },
      store: () => {
        if (opened.store === undefined) throw notOpen();
        return opened.store.#forSnapshots();
      },
    });
    const pooled: { backends?: BackendPool; spares?: LogSpares } = {};
    const specsNow = (): readonly BackendSpec[] => pooled.backends?.specs ?? specs;
    const openMember = openMemberOf(specsNow);
    const place = { members: logNamesOf(specs), openMember, metadataKey };
    const catalogFolder = join(folder, 'catalog');
    const catalog = stack.use(
      await Catalog.open({
        ...{ ...place, folder: catalogFolder, schema, snapshots, clock, logger },
        membersNow: () => logNamesOf(specsNow()),
        ...options.logCare,
        spare: (lost, members) => pooled.spares?.choose(lost, members),
      }),
    );
    const backends = stack.use(await openBackends({ catalog, specs, metadataKey, clock, logger }));
    backends.follow(backendsFile);
    pooled.backends = backends;
    pooled.spares = new LogSpares(backends);
    stack.use(await beginServing(catalog, options));
    const isOneOfMany = options.isOtherActive !== undefined;
    await backends.reload(backends.specs, isOneOfMany ? patienceMs : undefined);
    const base = { catalog, backends, keys, threads, budget };
    opened.store = new BlobStore(await openParts(options, base, stack), stack.move());
    return opened.store;
  }

  /**
   * Writes a stream. Nothing refers to the blob until `commit` of it, in which the owner calls
   * `insert`. Throws as `BlobWriter.write`.
   */
  write(
    source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
    options: WriteOptions,
  ): Promise<WrittenBlob> {
    return this.#writer.write(source, options);
  }

  /**
   * Which head this is: u32, higher than those of all heads before, also those of a log that was lost.
   * @throws ZSTOR_CATALOG_NOT_SERVING
   */
  get epoch(): number {
    return this.catalog.epoch + this.catalog.read(epochBaseOf);
  }

  /**
   * Makes a key for a bucket, and resolves with its number, which the row of the bucket keeps as
   * `key_no`. Throws as `KeyRing.create`.
   */
  createKey(): Promise<number> {
    return this.#ring.create();
  }

  /**
   * The key with this number, loaded from here on: whoever calls `rowOf` or `find` for a blob of a
   * bucket awaits this first, outside of changes and queries. 0 is the store's own. Throws as
   * `KeyRing.wrapperOf`.
   */
  keyFor(no: number): Promise<KeyWrap> {
    return this.#ring.wrapperOf(no);
  }

  /**
   * Shreds what a bucket's key wraps and seals, wherever copies of it are. To be called once the change
   * that removed the bucket is kept. Resolves with the names of those who have not confirmed yet that
   * the key is gone from their disks; they are asked again by themselves. Throws as `KeyRing.erase`.
   */
  eraseKey(no: number): Promise<readonly string[]> {
    return this.#ring.erase(no);
  }

  /**
   * The blob as a row, for `insertBlob` within a change: its key is wrapped here.
   * @param wrap that of its bucket, of `keyFor`; it may have been erased since. Default: the store's own
   */
  rowOf(
    { secret: { id, key }, chunks }: WrittenBlob,
    wrap: KeyWrap = this.#ring.loaded(0),
  ): tables.BlobRow {
    return { id, keyNo: wrap.no, wrappedKey: wrap.wrap(id, key), chunks, isNew: true };
  }

  /**
   * Writes the manifest of a version that is known, in the place of the one before.
   * @throws ZSTOR_BACKENDS_TOO_FEW
   */
  writeManifest(manifest: Manifest, policy: StoragePolicy = this.#policy): Promise<void> {
    return this.manifests.write(manifest, policy);
  }

  /**
   * Makes a version known in a change, which answers its manifest, too: what the version needs to be found
   * again without tables. Resolves when both are kept. The blobs: `manifestBlobOf(row, records)` of those
   * that were just written, `findManifestBlob` of those that are in the tables. The change in which the
   * version goes calls `releaseManifest`.
   * @param policy its m says how many nodes may be lost; default that of the store
   * @throws ZSTOR_BACKENDS_TOO_FEW, and as `Catalog.write`
   */
  commitVersion<T>(
    change: (db: DatabaseSync) => Documented<T>,
    policy: StoragePolicy = this.#policy,
  ): Promise<T> {
    return this.manifests.commit(change, policy);
  }

  /**
   * For `read`: what the tables have of a blob. Undefined when there is none with this id. The key of
   * its bucket was asked for with `keyFor`.
   * @throws ZSTOR_KEY_NOT_LOADED, ZSTOR_KEY_INVALID
   */
  find(db: DatabaseSync, id: Uint8Array): StoredBlob | undefined {
    const row = tables.findBlob(db, id);
    if (row === undefined) return undefined;
    const key = this.#ring.loaded(row.keyNo).unwrap(id, row.wrappedKey);
    return { secret: { id, key }, chunks: row.chunks };
  }

  /**
   * The bytes of a blob. What is yielded may be used until the next is asked for. A blob that is
   * released meanwhile is still read to its end. Throws as `BlobReader.read`.
   */
  read(blob: StoredBlob, options: ReadOptions = {}): AsyncGenerator<Buffer, void> {
    return this.#reader.read(blob, options);
  }

  /** The same of several blobs, one after the other: they are read ahead as if they were one. */
  readAll(spans: readonly BlobSpan[], options: StreamOptions = {}): AsyncGenerator<Buffer, void> {
    return this.#reader.readAll(spans, options);
  }

  /**
   * Keeps blobs that are to be read one after the other: those that are released meanwhile stay until the
   * result is disposed of. `read` does it for its own blob.
   */
  pin(blobs: readonly StoredBlob[]): Disposable {
    return this.#pins.pin(blobs.flatMap(({ chunks }) => chunks.map(({ id }) => id)));
  }

  /** Whether streams wait for memory that others hold. */
  get isShortOfMemory(): boolean {
    return this.#recoding.budget.isShort;
  }

  /** Gives a blob another k and m. See `reencodeBlob`. */
  async reencode(blobId: Uint8Array, options: ReencodeOptions): Promise<number> {
    const chunks = this.catalog.read((db) => tables.findBlob(db, blobId))?.chunks ?? [];
    using _pinned = this.#pins.pin(chunks.map(({ id }) => id));
    return await reencodeBlob(this.#recoding, blobId, options);
  }

  /**
   * Asks the backends whether they still have all of a blob, and can read it.
   * @throws ZSTOR_CATALOG_NOT_SERVING, ZSTOR_CHUNK_UNKNOWN
   */
  check(blob: StoredBlob, signal?: AbortSignal): Promise<BlobCheck> {
    const chunks = new ChunkTable(this.catalog);
    const records = blob.chunks.map(({ id }) => chunks.find(id) ?? chunkUnknown(id));
    return checkBlob(records, this.backends, signal);
  }

  /** Ids of the chunks of snapshots of the tables, to whose blobs no row of an owner refers. */
  get snapshotChunks(): readonly Uint8Array[] {
    return this.catalog.snapshotPointers.flatMap(chunkIdsIn);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #forSnapshots(): ReturnType<ConstructorParameters<typeof DispersedSnapshots>[0]['store']> {
    const rows = this.catalog.read(listBackends).filter(({ use }) => use !== 'retired');
    return {
      writer: this.#writer,
      names: new Map(rows.map(({ no, name }) => [no, name])),
      register: (blob: WrittenBlob, records: readonly ChunkRecord[]) => {
        const row = this.rowOf(blob);
        return this.catalog.write((db) => {
          tables.insertBlob(db, row, records);
          insertSnapshot(db, row.id);
        });
      },
      index: new SnapshotIndex({ backends: this.backends, key: this.keys.manifestKey }),
      list: () => this.catalog.read(listSnapshots),
      forget: (id: Uint8Array) =>
        this.catalog.write((db) => {
          if (deleteSnapshot(db, id)) tables.releaseBlob(db, id);
        }),
    };
  }
}

interface Parts {
  readonly recoding: ReencodeParts;
  readonly actions: StoreActions;
  readonly care: Care;
  readonly collection: Collection;
  readonly pins: ChunkPins;
  readonly catalog: Catalog;
  readonly backends: BackendPool;
  readonly keys: StorKeys;
  readonly ring: KeyRing;
  readonly policy: StoragePolicy;
  readonly manifests: Manifests;
  readonly writer: BlobWriter;
  readonly reader: BlobReader;
}

/** All that works on the tables and backends of a head that serves. */
async function openParts(
  options: BlobStoreOptions,
  base: Pick<Parts, 'catalog' | 'backends' | 'keys'> & {
    readonly threads: CodingThreads;
    readonly budget: Credit;
  },
  stack: AsyncDisposableStack,
): Promise<Parts> {
  const { folder, policy, clock = systemClock, logger = silentLogger } = options;
  const { catalog, backends, keys, threads, budget } = base;
  const opened: { collection?: Collection; manifests?: Manifests } = {};
  const common = { backends, threads, budget, locations: new ChunkTable(catalog) };
  const ids = new ChunkIds(() => catalog.epoch + catalog.read(epochBaseOf));
  const writer = stack.use(new BlobWriter({ ...common, ids, clock, logger }));
  const snapshotChunks = (): Uint8Array[] => catalog.snapshotPointers.flatMap(chunkIdsIn);
  const care = Care.open({
    ...{ catalog, backends, threads, budget, ids, limits: policy, clock, logger },
    folder,
    snapshotChunks,
    snapshotRecords: () => catalog.snapshotPointers.slice(0, 1).flatMap(recordsIn),
    onLeft: (no) => opened.collection?.leftBehind(no),
    times: options.care,
  });
  stack.use(care);
  const onFault = (fault: ShardFault): void => {
    care.fault(fault);
    options.onFault?.(fault);
  };
  const pins = new ChunkPins();
  const reader = new BlobReader({ ...common, pins, onFault, clock });
  const collection = stack.use(
    Collection.open({
      ...{ tables: catalog, backends, ids, pins, threads, budget, policy, clock, logger },
      snapshotChunks,
      isHeld: () => opened.manifests?.isLate ?? false,
      onStep: options.onStep,
    }),
  );
  opened.collection = collection;
  const { parityShards } = policy;
  const { isForgotten } = options;
  const ring = stack.use(
    new KeyRing({
      ...{ keys, parityShards, clock, logger },
      tables: catalog,
      specs: () => backends.specs,
    }),
  );
  const manifests = stack.use(
    new Manifests({
      ...{ tables: catalog, backends, key: keys.manifestKey, clock, logger },
      ...{ policy, parityShards, path: join(folder, 'manifests.db') },
      manifestOf: options.manifestOf ?? (() => undefined),
      isForgotten:
        isForgotten &&
        ((db, versionId) => isForgotten(db, versionId, catalog.epoch + epochBaseOf(db))),
    }),
  );
  opened.manifests = manifests;
  const actions = { ...careActions(care, catalog, clock), ...options.actions };
  const path = controlPathOf(folder);
  stack.use(await ControlSocket.open({ path, actions, logger }));
  return {
    ...{ actions, care, collection, pins, catalog, backends, keys, ring, policy },
    ...{ manifests, writer, reader },
    recoding: { tables: catalog, backends, threads, budget, ids },
  };
}

/** The key of the store, which is begun where that is wanted and there is none yet. */
async function openKeys(
  options: BlobStoreOptions,
  specs: readonly BackendSpec[],
): Promise<StorKeys> {
  const { folder, keyFile = join(folder, 'key'), policy, canBegin = false, signal } = options;
  const openMember = openMemberOf(() => specs);
  const members = logNamesOf(specs);
  if (members.length === 0) firstMembersOf(specs, policy.parityShards);
  const known = await StorKeys.read(keyFile);
  const metadataKey = known?.metadataKey ?? Buffer.alloc(0);
  throwIfAborted(signal);
  if (await keepsLog({ members, openMember, metadataKey })) return known ?? keyMissing(keyFile);
  if (!canBegin) throw storeUnknown(options.backendsFile);
  const first = firstMembersOf(specs, policy.parityShards);
  const keys = known ?? (await StorKeys.make(keyFile));
  await Catalog.found({ members: first, openMember, metadataKey: keys.metadataKey });
  return keys;
}

function chunkUnknown(id: Uint8Array): never {
  const chunkId = Buffer.from(id).toString('hex');
  throw new GridError<ZstorErrorCode>('ZSTOR_CHUNK_UNKNOWN', `no chunk ${chunkId} is known`, {
    hint: 'rebuild the metadata from the backends',
    details: { chunkId },
  });
}

function notOpen(): GridError<BaseErrorCode> {
  return new GridError('BASE_CLOSED', 'the store is not open yet', { retryable: true });
}

function storeUnknown(backendsFile: string): GridError<ZstorErrorCode> {
  return new GridError(
    'ZSTOR_STORE_UNKNOWN',
    `there is no store on the backends of ${backendsFile} yet`,
    {
      hint: 'the first grid zstor put begins one',
      details: { backendsFile },
    },
  );
}
