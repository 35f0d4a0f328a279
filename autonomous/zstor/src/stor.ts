import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { closeOnce, GridError, silentLogger, systemClock, throwIfAborted } from '@commongrid/base';
import type { BaseErrorCode, Clock, Logger } from '@commongrid/base';
import { BackendPool } from './backends/backend-pool.ts';
import { nameOfBackend, readBackendsFile } from './backends/backends-file.ts';
import type { BackendSpec } from './backends/backends-file.ts';
import { BlobReader } from './blob/blob-reader.ts';
import { BlobWriter } from './blob/blob-writer.ts';
import type { StoragePolicy } from './blob/blob-writer.ts';
import { ChunkIds } from './blob/chunk-ids.ts';
import type { ChunkRecord } from './blob/chunk-record.ts';
import { ChunkTable } from './blob/chunk-table.ts';
import type { ShardFault } from './blob/shard-fetch.ts';
import { openStreamBudget } from './blob/stream-budget.ts';
import type { StoredBlob, WrittenBlob } from './blob/written-blob.ts';
import { Catalog } from './catalog/catalog.ts';
import type { ZstorErrorCode } from './errors.ts';
import { checkBlob } from './stor/check-blob.ts';
import type { BlobCheck } from './stor/check-blob.ts';
import { DispersedSnapshots } from './stor/dispersed-snapshots.ts';
import { firstMembersOf, keepsLog, logNamesOf, openMemberOf } from './stor/log-place.ts';
import { StorKeys } from './stor/stor-keys.ts';
import * as tables from './stor/stor-tables.ts';
import type { BlobRow, StorFile } from './stor/stor-tables.ts';
import { CodingThreads } from './threads/coding-threads.ts';

/** Longest name of a file, in UTF-8. */
const nameBytesMax = 1024;
/** Most files of one page of a list. */
const listMax = 1000;

export interface StorOptions {
  /** For the tables, in `catalog`; made when it is missing. One process at a time. */
  readonly folder: string;
  readonly backendsFile: string;
  /** Default `key` in the folder. */
  readonly keyFile?: string | undefined;
  /** How files are kept from now on; its m says how many keep the log of a store that is new. */
  readonly policy: StoragePolicy;
  /** Begins a store where none is yet: makes its key and its log. Default false. */
  readonly canBegin?: boolean;
  /** Hears of shards that are missing or wrong; they were read from elsewhere. */
  readonly onFault?: (fault: ShardFault) => void;
  readonly clock?: Clock;
  readonly logger?: Logger;
  readonly signal?: AbortSignal | undefined;
}

export interface PutOptions {
  /** Length of the stream, where it is known. */
  readonly sizeBytes?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface GetOptions {
  /** First byte. Default 0. */
  readonly from?: number | undefined;
  /** Behind the last byte. Default: the end. */
  readonly to?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * A store of named files over the backends of a file. The one that was opened last serves: it takes
 * the catalogue over, and the calls of others fail from then on with ZSTOR_CATALOG_NOT_SERVING,
 * ZSTOR_CATALOG_RESULT_UNKNOWN.
 */
export class Stor implements AsyncDisposable {
  readonly #o: StorOptions;
  readonly #keys: StorKeys;
  readonly #catalog: Catalog;
  readonly #parts: Parts;
  readonly close: () => Promise<void>;

  private constructor(
    options: StorOptions,
    keys: StorKeys,
    catalog: Catalog,
    parts: Parts,
    stack: AsyncDisposableStack,
  ) {
    this.#o = options;
    this.#keys = keys;
    this.#catalog = catalog;
    this.#parts = parts;
    this.close = closeOnce(() => stack.disposeAsync());
  }

  /**
   * 1. Read the key; where there is no store yet, make it and a log. 2. Follow the log, and take it
   * over: two seconds. 3. Connect to the backends, under the numbers that the tables have for them.
   * @throws ZSTOR_BACKENDS_INVALID, ZSTOR_KEY_MISSING, ZSTOR_KEY_INVALID, ZSTOR_STORE_UNKNOWN,
   *   BASE_FOLDER_LOCKED, and as `Catalog.takeOver`
   */
  static async open(options: StorOptions): Promise<Stor> {
    const { folder, backendsFile, policy, clock = systemClock, onFault, signal } = options;
    const { logger = silentLogger } = options;
    const specs = await readBackendsFile(backendsFile);
    const keys = await openKeys(options, specs);
    const { metadataKey } = keys;
    await using stack = new AsyncDisposableStack();
    const threads = stack.use(CodingThreads.open());
    const budget = openStreamBudget();
    const opened: { stor?: Stor } = {};
    const snapshots = new DispersedSnapshots({
      ...{ backendsFile, policy, threads, budget },
      store: () => {
        if (opened.stor === undefined) throw notOpen();
        return opened.stor.#forSnapshots();
      },
    });
    const place = { members: logNamesOf(specs), openMember: openMemberOf(specs), metadataKey };
    const catalog = stack.use(
      await Catalog.open({
        ...{ ...place, folder: join(folder, 'catalog'), schema: tables.storSchema },
        ...{ snapshots, clock, logger },
      }),
    );
    await catalog.takeOver(signal);
    const numberOf = (spec: BackendSpec): Promise<number> => numberIn(catalog, spec);
    const backends = stack.use(await BackendPool.open(specs, { numberOf, clock, logger }));
    const common = { backends, threads, budget, locations: new ChunkTable(catalog) };
    const ids = new ChunkIds(() => catalog.epoch);
    const writer = stack.use(new BlobWriter({ ...common, ids, logger }));
    const fault = onFault === undefined ? {} : { onFault };
    const reader = new BlobReader({ ...common, ...fault, clock });
    const parts = { backends, writer, reader };
    opened.stor = new Stor(options, keys, catalog, parts, stack.move());
    return opened.stor;
  }

  /**
   * Keeps a stream under a name; what had the name is replaced. It is there whole when this resolves,
   * and not at all before.
   * @throws ZSTOR_NAME_INVALID, as `BlobWriter.write` and `Catalog.write`
   */
  async put(
    name: string,
    source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
    options: PutOptions = {},
  ): Promise<StorFile> {
    checkName(name);
    const hash = createHash('sha256');
    const { writer } = this.#parts;
    const blob = await writer.write(hashed(source, hash), { policy: this.#o.policy, ...options });
    const { sizeBytes } = blob;
    const atMs = (this.#o.clock ?? systemClock).nowMs();
    const file = { name, sizeBytes, sha256: hash.digest('hex'), atMs };
    const row = this.#rowOf(blob);
    await blob.commit((records) =>
      this.#catalog.write((db) => {
        tables.insertBlob(db, row, records);
        tables.setFile(db, file, row.id);
      }),
    );
    return file;
  }

  /** What is known of a file. @throws ZSTOR_FILE_UNKNOWN, ZSTOR_CATALOG_NOT_SERVING */
  stat(name: string): StorFile {
    return this.#find(name).file;
  }

  /**
   * The bytes of a file. What is yielded may be used until the next is asked for. A file that is
   * removed meanwhile is still read to its end.
   * @throws ZSTOR_FILE_UNKNOWN, as `BlobReader.read`
   */
  async *get(name: string, options: GetOptions = {}): AsyncGenerator<Buffer, void> {
    yield* this.#parts.reader.read(this.#find(name).blob, options);
  }

  /**
   * Files whose names begin with `prefix` and come after `after`, 1,000 at most, in the order of their
   * UTF-8. @throws ZSTOR_CATALOG_NOT_SERVING
   */
  list(prefix = '', after = ''): StorFile[] {
    const files = this.#catalog.read((db) => tables.listFiles(db, prefix, after, listMax));
    this.#catalog.requireLease();
    return files;
  }

  /**
   * Forgets a file and its key; what its shards take is given back later.
   * @throws ZSTOR_FILE_UNKNOWN, as `Catalog.write`
   */
  async remove(name: string): Promise<void> {
    const wasThere = await this.#catalog.write((db) => tables.removeFile(db, name));
    if (!wasThere) throw fileUnknown(name);
  }

  /**
   * Asks the backends whether they still have all of a file, and can read it.
   * @throws ZSTOR_FILE_UNKNOWN, ZSTOR_CATALOG_NOT_SERVING, ZSTOR_CHUNK_UNKNOWN
   */
  async check(name: string, signal?: AbortSignal): Promise<BlobCheck> {
    const { blob } = this.#find(name);
    const chunks = new ChunkTable(this.#catalog);
    const records = blob.chunks.map(({ id }) => chunks.find(id) ?? chunkUnknown(id));
    return checkBlob(records, this.#parts.backends, signal);
  }

  /** Writes a snapshot of the tables to the backends, so that the log can be cut. */
  takeSnapshot(): Promise<void> {
    return this.#catalog.takeSnapshot();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #find(name: string): { file: StorFile; blob: StoredBlob } {
    const found = this.#catalog.read((db) => {
      const entry = tables.findFile(db, name);
      const row = entry && tables.findBlob(db, entry.blobId);
      return entry && row && { file: entry.file, row };
    });
    this.#catalog.requireLease();
    if (found === undefined) throw fileUnknown(name);
    const { id, wrappedKey, chunks } = found.row;
    const secret = { id, key: this.#keys.unwrap(id, wrappedKey) };
    return { file: found.file, blob: { secret, chunks } };
  }

  #rowOf({ secret: { id, key }, chunks }: WrittenBlob): BlobRow {
    return { id, wrappedKey: this.#keys.wrap(id, key), chunks };
  }

  #forSnapshots(): ReturnType<ConstructorParameters<typeof DispersedSnapshots>[0]['store']> {
    const { writer } = this.#parts;
    const rows = this.#catalog.read((db) => db.prepare('SELECT no, name FROM backends').all());
    return {
      writer,
      names: new Map(rows.map((row) => [Number(row['no']), String(row['name'])])),
      register: (blob: WrittenBlob, records: readonly ChunkRecord[]) => {
        const row = this.#rowOf(blob);
        return this.#catalog.write((db) => tables.insertBlob(db, row, records));
      },
      forget: (blobId: Uint8Array) => {
        return this.#catalog.write((db) => tables.removeBlob(db, blobId));
      },
    };
  }
}

interface Parts {
  readonly backends: BackendPool;
  readonly writer: BlobWriter;
  readonly reader: BlobReader;
}

/** The key of the store, which is begun where that is wanted and there is none yet. */
async function openKeys(options: StorOptions, specs: readonly BackendSpec[]): Promise<StorKeys> {
  const { folder, keyFile = join(folder, 'key'), policy, canBegin = false, signal } = options;
  const openMember = openMemberOf(specs);
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

async function numberIn(catalog: Catalog, spec: BackendSpec): Promise<number> {
  const name = nameOfBackend(spec);
  const known = catalog.read((db) => tables.findBackend(db, name));
  return known ?? catalog.write((db) => tables.numberBackend(db, name));
}

async function* hashed(
  source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  hash: ReturnType<typeof createHash>,
): AsyncGenerator<Uint8Array, void> {
  for await (const piece of source) {
    hash.update(piece);
    yield piece;
  }
}

function checkName(name: string): void {
  const isGood = name !== '' && !name.includes('\0') && name.isWellFormed();
  if (isGood && Buffer.byteLength(name) <= nameBytesMax) return;
  throw new GridError<ZstorErrorCode>('ZSTOR_NAME_INVALID', 'a file cannot have this name', {
    hint: `give 1 to ${nameBytesMax} bytes of UTF-8 without NUL`,
    details: { name: name.slice(0, 100) },
  });
}

function fileUnknown(name: string): GridError<ZstorErrorCode> {
  return new GridError('ZSTOR_FILE_UNKNOWN', `there is no file ${name}`, {
    hint: 'grid zstor ls shows those that are there',
    details: { name },
  });
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

function keyMissing(keyFile: string): never {
  throw new GridError<ZstorErrorCode>('ZSTOR_KEY_MISSING', `there is no key file ${keyFile}`, {
    hint: 'name the key file that was made with the store: nothing else opens it',
    details: { keyFile },
  });
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
