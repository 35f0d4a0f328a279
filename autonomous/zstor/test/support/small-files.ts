import type { DatabaseSync } from 'node:sqlite';
import { BlobStore } from '../../src/blob-store.ts';
import type { BlobStoreOptions } from '../../src/blob-store.ts';
import { insertBlob } from '../../src/stor/blob-tables.ts';
import {
  findFile,
  listFiles,
  removeFile,
  setFile,
  storSchema,
} from '../../src/stor/file-tables.ts';
import { leftOverShards } from '../../src/testing/inventory.ts';
import { fourPlusTwo, randomBytesOf } from './cluster.ts';

/** Length of each of the small files: 33 of them fill a pack. */
export const smallBytes = 126_000;

/** Small files in a store of blobs, whose content follows from their names. */
export class SmallFiles implements AsyncDisposable {
  readonly store: BlobStore;

  constructor(store: BlobStore) {
    this.store = store;
  }

  static async open(options: Omit<BlobStoreOptions, 'schema' | 'policy'>): Promise<SmallFiles> {
    const opened = { ...options, schema: storSchema, policy: fourPlusTwo };
    return new SmallFiles(await BlobStore.open(opened));
  }

  async put(name: string): Promise<void> {
    const { store } = this;
    const content = [randomBytesOf(smallBytes, name)];
    const blob = await store.write(content, { policy: fourPlusTwo, sizeBytes: smallBytes });
    const row = store.rowOf(blob);
    const file = { name, sizeBytes: smallBytes, sha256: '00'.repeat(32), atMs: 0 };
    await blob.commit((records) =>
      store.catalog.write((db) => {
        insertBlob(db, row, records);
        setFile(db, file, row.id);
      }),
    );
  }

  async remove(name: string): Promise<void> {
    await this.store.catalog.write((db) => removeFile(db, name));
  }

  names(): string[] {
    return this.#read((db) => listFiles(db, '', '', 1_000)).map(({ name }) => name);
  }

  /** Whether a file has the bytes that it was put with. */
  async isWhole(name: string): Promise<boolean> {
    const blob = this.#read((db) => {
      const found = findFile(db, name);
      return found && this.store.find(db, found.blobId);
    });
    const parts: Buffer[] = [];
    if (blob !== undefined) {
      for await (const bytes of this.store.read(blob)) parts.push(Buffer.from(bytes));
    }
    return Buffer.compare(Buffer.concat(parts), randomBytesOf(smallBytes, name)) === 0;
  }

  leftOver(): Promise<string[]> {
    return leftOverShards(this.store);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.store.close();
  }

  #read<T>(query: (db: DatabaseSync) => T): T {
    return this.store.catalog.read(query);
  }
}
