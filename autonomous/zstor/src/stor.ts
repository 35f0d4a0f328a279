import { createHash } from 'node:crypto';
import type { DatabaseSync } from 'node:sqlite';
import { GridError, systemClock } from '@commongrid/base';
import { BlobStore } from './blob-store.ts';
import type { BlobStoreOptions } from './blob-store.ts';
import type { StoragePolicy } from './blob/blob-writer.ts';
import type { StoreActions } from './care/care-actions.ts';
import type { StoredBlob } from './blob/written-blob.ts';
import { countDead } from './collection/dead-tables.ts';
import type { ZstorErrorCode } from './errors.ts';
import { manifestBlobOf } from './manifest/manifest-tables.ts';
import { rebuildStore } from './rebuild/rebuild-store.ts';
import type { RebuildOptions, RebuildReport } from './rebuild/rebuild-store.ts';
import { acceptRebuild, isRebuilt } from './rebuild/rebuild-tables.ts';
import { findBlob, insertBlob } from './stor/blob-tables.ts';
import type { BlobCheck } from './stor/check-blob.ts';
import { documentOf } from './stor/file-document.ts';
import * as tables from './stor/file-tables.ts';
import type { StorFile } from './stor/file-tables.ts';

/** Longest name of a file, in UTF-8. */
const nameBytesMax = 1024;
/** Most files of one page of a list. */
const listMax = 1000;

/** How long a read waits until a majority of the log confirms that no other head serves. */
const confirmWaitMsMax = 10_000;
/** How long what was removed is deleted by a head that ends. */
const deletingMs = 30_000;
/** Records of the log after which a head that ends takes a snapshot. */
const snapshotRecords = 1_000;

/** What files are to a store. */
const owner = { schema: tables.storSchema, manifestOf: tables.manifestOfFile };

/** The policy is that of files which are put from now on. */
export type StorOptions = Omit<
  BlobStoreOptions,
  'schema' | 'manifestOf' | 'isOtherActive' | 'isForgotten'
>;

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
  readonly #blobs: BlobStore;
  /** Blobs of files that are about to be known, in hex. */
  readonly #coming: Set<string>;

  private constructor(options: StorOptions, blobs: BlobStore, coming: Set<string>) {
    this.#o = options;
    this.#blobs = blobs;
    this.#coming = coming;
  }

  /** Throws as `BlobStore.open`. */
  static async open(options: StorOptions): Promise<Stor> {
    const coming = new Set<string>();
    // Nobody else serves while this head does: what it does not know itself was lost with an earlier one.
    const isForgotten = (db: DatabaseSync, id: Buffer): boolean =>
      !coming.has(id.toString('hex')) && findBlob(db, id) === undefined;
    return new Stor(options, await BlobStore.open({ ...options, ...owner, isForgotten }), coming);
  }

  /**
   * Keeps a stream under a name; what had the name is replaced. It is there whole when this resolves,
   * and not at all before.
   * @throws ZSTOR_NAME_INVALID, ZSTOR_CATALOG_NO_ROOM, as `BlobWriter.write` and `Catalog.write`
   */
  async put(
    name: string,
    source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
    options: PutOptions = {},
  ): Promise<StorFile> {
    checkName(name);
    this.#blobs.catalog.requireRoom();
    const hash = createHash('sha256');
    const { policy } = this.#o;
    const blob = await this.#blobs.write(hashed(source, hash), { policy, ...options });
    const { sizeBytes } = blob;
    const atMs = (this.#o.clock ?? systemClock).nowMs();
    const file = { name, sizeBytes, sha256: hash.digest('hex'), atMs };
    const row = this.#blobs.rowOf(blob);
    const blobId = Buffer.from(row.id).toString('hex');
    this.#coming.add(blobId);
    try {
      await blob.commit((records) =>
        this.#blobs.commitVersion((db) => {
          insertBlob(db, row, records);
          tables.setFile(db, file, row.id);
          const document = documentOf(file);
          const blobs = [manifestBlobOf(row, records)];
          return { result: undefined, manifest: { versionId: row.id, document, blobs } };
        }),
      );
    } finally {
      this.#coming.delete(blobId);
    }
    return file;
  }

  /**
   * Makes the tables again: exactly, where the log is there, else out of snapshot and manifests. See
   * `rebuildStore`.
   */
  static rebuild(
    options: StorOptions & Pick<RebuildOptions, 'withoutLog' | 'onProgress'>,
  ): Promise<RebuildReport> {
    return rebuildStore({ ...options, ...owner, apply: tables.adoptFile });
  }

  /**
   * Whether the tables were made again without their log and nobody has accepted them: what was removed
   * may be back, and nothing is deleted from the backends meanwhile.
   */
  get isRebuilt(): boolean {
    return this.#blobs.catalog.read(isRebuilt);
  }

  /** The files are right as they are listed. Throws as `Catalog.write`. */
  acceptRebuild(): Promise<void> {
    return this.#blobs.catalog.write(acceptRebuild);
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
    const { blob } = await this.#confirmed(name, options.signal);
    yield* this.#blobs.read(blob, options);
  }

  /**
   * Files whose names begin with `prefix` and come after `after`, 1,000 at most, in the order of their
   * UTF-8. @throws ZSTOR_CATALOG_NOT_SERVING
   */
  list(prefix = '', after = ''): StorFile[] {
    const files = this.#blobs.catalog.read((db) => tables.listFiles(db, prefix, after, listMax));
    this.#blobs.catalog.requireLease();
    return files;
  }

  /**
   * Forgets a file and its key; what its shards take is given back later.
   * @throws ZSTOR_FILE_UNKNOWN, as `Catalog.write`
   */
  async remove(name: string): Promise<void> {
    const wasThere = await this.#blobs.catalog.write((db) => tables.removeFile(db, name));
    if (!wasThere) fileUnknown(name);
  }

  /**
   * Asks the backends whether they still have all of a file, and can read it.
   * @throws ZSTOR_FILE_UNKNOWN, ZSTOR_CATALOG_NOT_SERVING, ZSTOR_CHUNK_UNKNOWN
   */
  async check(name: string, signal?: AbortSignal): Promise<BlobCheck> {
    const { blob } = await this.#confirmed(name, signal);
    return this.#blobs.check(blob, signal);
  }

  /**
   * Packs small files, and deletes what is left of removed ones and of puts that were killed, now: it is
   * done in the background, too. Throws as `Collection.runNow`, `ManifestKeeper.keep`.
   */
  async tidy(signal?: AbortSignal): Promise<void> {
    await this.#blobs.manifests.collectNow(signal);
    await this.#blobs.collection.runNow(signal);
    await this.#blobs.manifests.keeper.keep(signal);
  }

  /**
   * Deletes what files had that were removed or replaced, by this head or one before, as far as it gets
   * in 30 s: for a head that ends before it would in the background. Throws as `Collection.runNow`.
   * @returns how many chunks are still to be deleted: a head that comes later does it
   */
  async deleteRemoved(signal?: AbortSignal): Promise<number> {
    const ended = AbortSignal.any([AbortSignal.timeout(deletingMs), ...(signal ? [signal] : [])]);
    try {
      // First: what has a manifest is to have its shards.
      await this.#blobs.manifests.collectNow(ended);
      await this.#blobs.collection.collectNow(ended);
    } catch (error) {
      if (!ended.aborted) throw error;
    }
    return this.#blobs.catalog.read(countDead);
  }

  /**
   * Takes a snapshot, and cuts the log, if that has grown by 1,000 records since the last one, whoever
   * wrote them: for a head that ends before it would in the background. Throws as `takeSnapshot`.
   */
  async takeSnapshotInTime(): Promise<void> {
    const { snapshotEveryRecords: most = snapshotRecords } = this.#o.logCare ?? {};
    const { catalog } = this.#blobs;
    if (catalog.recordsSinceSnapshot < most) return;
    await catalog.takeSnapshot();
    await catalog.cutLog();
  }

  /** Writes a snapshot of the tables to the backends, so that the log can be cut. */
  takeSnapshot(): Promise<void> {
    return this.#blobs.catalog.takeSnapshot();
  }

  /**
   * Gives a file the k and m of another policy.
   * @returns how many of its chunks were coded anew
   * @throws ZSTOR_FILE_UNKNOWN, as `reencodeBlob`
   */
  reencode(name: string, policy: StoragePolicy, signal?: AbortSignal): Promise<number> {
    const { file, blob } = this.#find(name);
    const { id } = blob.secret;
    const document = documentOf(file);
    return this.#blobs.reencode(id, {
      ...{ policy, signal },
      onSwitched: (kept) =>
        this.#blobs.writeManifest({ versionId: id, document, blobs: [kept] }, policy),
    });
  }

  /** What the control socket of its folder offers. */
  get actions(): StoreActions {
    return this.#blobs.actions;
  }

  close(): Promise<void> {
    return this.#blobs.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #find(name: string): FoundFile {
    const found = this.#read(name);
    this.#blobs.catalog.requireLease();
    return found ?? fileUnknown(name);
  }

  /** The same, also where the lease ran out for a while. */
  async #confirmed(name: string, signal: AbortSignal | undefined): Promise<FoundFile> {
    const { catalog } = this.#blobs;
    const { epoch } = catalog;
    const found = this.#read(name);
    await catalog.confirmLease(epoch, { waitMs: confirmWaitMsMax, signal });
    return found ?? fileUnknown(name);
  }

  #read(name: string): FoundFile | undefined {
    return this.#blobs.catalog.read((db) => {
      const entry = tables.findFile(db, name);
      const blob = entry && this.#blobs.find(db, entry.blobId);
      return entry && blob && { file: entry.file, blob };
    });
  }
}

interface FoundFile {
  readonly file: StorFile;
  readonly blob: StoredBlob;
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

function fileUnknown(name: string): never {
  throw new GridError<ZstorErrorCode>('ZSTOR_FILE_UNKNOWN', `there is no file ${name}`, {
    hint: 'grid zstor ls shows those that are there',
    details: { name },
  });
}
