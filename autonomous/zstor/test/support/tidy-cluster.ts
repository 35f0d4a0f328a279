import { DatabaseSync } from 'node:sqlite';
import type { Clock } from '@commongrid/base';
import { keyPages } from '../../src/backends/key-pages.ts';
import { BlobReader } from '../../src/blob/blob-reader.ts';
import type { ReadOptions } from '../../src/blob/blob-reader.ts';
import { BlobWriter } from '../../src/blob/blob-writer.ts';
import type { StoragePolicy } from '../../src/blob/blob-writer.ts';
import { ChunkIds } from '../../src/blob/chunk-ids.ts';
import { ChunkPins } from '../../src/blob/chunk-pins.ts';
import { ChunkTable } from '../../src/blob/chunk-table.ts';
import type { StoredBlob } from '../../src/blob/written-blob.ts';
import { Collection } from '../../src/collection/collection.ts';
import type { CollectionOptions } from '../../src/collection/collection.ts';
import type { LeasedTables } from '../../src/collection/collector.ts';
import { blobTables, insertBlob, releaseBlob } from '../../src/stor/blob-tables.ts';
import { notServing } from '../../src/catalog/lease.ts';
import { namesOfShards } from '../../src/testing/inventory.ts';
import { Cluster, fourPlusTwo, randomBytesOf } from './cluster.ts';

/** Tables without a log, which survive a head, and can be taken from one. */
class Tables implements LeasedTables {
  readonly db = new DatabaseSync(':memory:');
  isServing = true;

  constructor() {
    this.db.exec(`${blobTables} CREATE TABLE catalog_state (epoch INTEGER) STRICT;
      INSERT INTO catalog_state VALUES (0)`);
  }

  read<T>(query: (db: DatabaseSync) => T): T {
    return query(this.db);
  }

  async write<T>(change: (db: DatabaseSync) => T): Promise<T> {
    await Promise.resolve();
    this.requireLease();
    return change(this.db);
  }

  requireLease(): void {
    if (!this.isServing) throw notServing('the test took its right away');
  }
}

/** A head over the servers and tables of a `TidyCluster`: it can be given up for another one. */
export class TidyHead {
  readonly tables: LeasedTables & { isServing: boolean };
  readonly ids: ChunkIds;
  readonly pins = new ChunkPins();
  readonly writer: BlobWriter;
  readonly reader: BlobReader;
  readonly collection: Collection;
  readonly locations: ChunkTable;
  readonly snapshotChunks: Uint8Array[] = [];
  readonly #options: CollectionOptions;

  constructor(cluster: Cluster, tables: Tables, epoch: number, onStep?: (step: string) => void) {
    // Each head has its own right to serve; the rows are shared.
    const leased = {
      isServing: true,
      read: <T>(query: (db: DatabaseSync) => T): T => tables.read(query),
      requireLease: (): void => {
        if (!leased.isServing) throw notServing('the test took its right away');
      },
      write: async <T>(change: (db: DatabaseSync) => T): Promise<T> => {
        leased.requireLease();
        return tables.write(change);
      },
    };
    this.tables = leased;
    this.ids = new ChunkIds(() => epoch);
    const { pool: backends, threads, budget } = cluster;
    this.locations = new ChunkTable(leased);
    const common = { backends, threads, budget, locations: this.locations };
    this.writer = new BlobWriter({ ...common, ids: this.ids });
    this.reader = new BlobReader({ ...common, pins: this.pins });
    this.#options = {
      ...{ tables: leased, backends, ids: this.ids, pins: this.pins, threads, budget },
      ...{ policy: fourPlusTwo, onStep, snapshotChunks: () => this.snapshotChunks },
    };
    this.collection = new Collection(this.#options);
  }

  /** The same once more, in the background. */
  openCollection(clock: Clock): Collection {
    return Collection.open({ ...this.#options, clock });
  }

  async get(blob: StoredBlob, options: ReadOptions = {}): Promise<Buffer> {
    const parts: Buffer[] = [];
    for await (const bytes of this.reader.read(blob, options)) parts.push(Buffer.from(bytes));
    return Buffer.concat(parts);
  }
}

/** Real Zero-DBs, tables, and heads that come one after the other. */
export class TidyCluster implements AsyncDisposable {
  readonly cluster: Cluster;
  readonly #tables = new Tables();
  #epoch = 0;

  constructor(cluster: Cluster) {
    this.cluster = cluster;
  }

  static async open(servers = 6): Promise<TidyCluster> {
    return new TidyCluster(await Cluster.open({ servers, commandTimeoutMs: 2_000 }));
  }

  get db(): DatabaseSync {
    return this.#tables.db;
  }

  head(onStep?: (step: string) => void): TidyHead {
    this.#epoch++;
    this.db.prepare('UPDATE catalog_state SET epoch = ?').run(this.#epoch);
    return new TidyHead(this.cluster, this.#tables, this.#epoch, onStep);
  }

  async put(
    head: TidyHead,
    sizeBytes: number,
    seed: string,
    policy: StoragePolicy = fourPlusTwo,
  ): Promise<StoredBlob> {
    const options = { policy, sizeBytes };
    const blob = await head.writer.write([randomBytesOf(sizeBytes, seed)], options);
    const { secret, chunks } = blob;
    const row = { id: secret.id, keyNo: 0, wrappedKey: secret.key, chunks, isNew: true };
    await blob.commit((records) => head.tables.write((db) => insertBlob(db, row, records)));
    await head.writer.idle();
    return { secret, chunks: chunks.map(({ id, plaintextBytes }) => ({ id, plaintextBytes })) };
  }

  remove(head: TidyHead, blob: StoredBlob): Promise<void> {
    return head.tables.write((db) => releaseBlob(db, blob.secret.id));
  }

  count(table: 'chunks' | 'dead' | 'slices' | 'packs' | 'given_up' | 'blobs'): number {
    return Number(this.db.prepare(`SELECT count(*) AS n FROM ${table}`).get()?.['n']);
  }

  /** All keys of all backends, in hex, each behind the number of its backend. */
  async keys(): Promise<string[]> {
    const found: string[] = [];
    for (const backend of this.cluster.pool.all) {
      for await (const page of keyPages(backend)) {
        found.push(...page.map(({ key }) => `${backend.no} ${key.toString('hex')}`));
      }
    }
    return found.toSorted();
  }

  /** The keys that the records of chunks name. */
  expectedKeys(): string[] {
    return namesOfShards(this.db);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.cluster[Symbol.asyncDispose]();
    this.db.close();
  }
}
