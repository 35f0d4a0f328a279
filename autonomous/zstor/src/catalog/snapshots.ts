import { once } from 'node:events';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { Mutex } from '@commongrid/base';
import { Worker } from 'node:worker_threads';
import type { CatalogDatabase } from './catalog-database.ts';
import type { Membership, SnapshotNote } from './chain.ts';
import type { GroupCommit } from './group-commit.ts';
import type { LogHead } from './log-head.ts';
import { openFile, sealFile } from './snapshot-stream.ts';
import type { SnapshotStore } from './snapshot-store.ts';

/** A head that changed something writes a snapshot after this time at the latest. */
export const snapshotEveryMs = 10 * 60_000;
/** ... or after so many records. */
export const snapshotEveryRecords = 100_000;

/** Which tables these are: of a log, after a record of it. Bytes in hex. */
export interface TablesPosition {
  readonly logId: string;
  readonly index: number;
  readonly hash: string;
}

/** Writes snapshots of the tables, and brings them back. */
export class Snapshots {
  readonly #folder: string;
  readonly #store: SnapshotStore;
  readonly #metadataKey: Uint8Array;
  readonly #turns = new Mutex();

  constructor(folder: string, store: SnapshotStore, metadataKey: Uint8Array) {
    this.#folder = folder;
    this.#store = store;
    this.#metadataKey = metadataKey;
  }

  /**
   * 1. Copy the tables, beside the main thread. 2. Give the copy to the store. 3. Append a record with
   * its place. 4. Note it on a majority; what is older than the snapshot before may go then.
   */
  take(database: CatalogDatabase, head: LogHead, commits: GroupCommit): Promise<void> {
    // Each has the same file, and drops what is not noted.
    return this.#turns.run(() => this.#take(database, head, commits));
  }

  async #take(database: CatalogDatabase, head: LogHead, commits: GroupCommit): Promise<void> {
    const note = await this.keep(database);
    await commits.exclusive(async () => {
      await head.append('snapshot', Buffer.from(JSON.stringify(note)));
      database.advance(head.state);
    });
    await head.addSnapshot(note);
    await this.#store.keepOnly(head.snapshots.map(pointerOf));
  }

  /** The first two steps of `take` alone, for tables whose log is lost. */
  async keep(database: CatalogDatabase): Promise<SnapshotNote> {
    const path = join(this.#folder, 'snapshot.db');
    await rm(path, { force: true });
    try {
      await copyTables(database.path, path);
      const { index, hash } = positionIn(path);
      const pointer = await this.#store.put(sealFile(path, this.#metadataKey));
      return { index, hash, pointer: pointer.toString('base64') };
    } finally {
      await rm(path, { force: true });
    }
  }

  /** Which log it is of, and after which record. @throws ZSTOR_CATALOG_SNAPSHOT_CORRUPT */
  async positionOf(pointer: Buffer): Promise<TablesPosition> {
    const path = join(this.#folder, 'loading.db');
    await rm(path, { force: true });
    try {
      await openFile(this.#store.get(pointer), path, this.#metadataKey);
      return positionIn(path);
    } finally {
      await rm(path, { force: true });
    }
  }

  /** @throws ZSTOR_CATALOG_SNAPSHOT_CORRUPT */
  async load(database: CatalogDatabase, note: SnapshotNote, membership: Membership): Promise<void> {
    const path = join(this.#folder, 'loading.db');
    await rm(path, { force: true });
    await openFile(this.#store.get(pointerOf(note)), path, this.#metadataKey);
    await database.replaceBy(path, membership);
  }
}

async function copyTables(from: string, to: string): Promise<void> {
  const thread = new Worker(new URL('./snapshot-thread.ts', import.meta.url), {
    workerData: { from, to },
  });
  // `once` rejects with what the thread throws.
  await once(thread, 'exit');
}

function positionIn(path: string): TablesPosition {
  const db = new DatabaseSync(path, { readOnly: true });
  const sql = 'SELECT hex(log) AS log, position, hex(hash) AS hash FROM catalog_state';
  const row = db.prepare(sql).get();
  db.close();
  const { log, position, hash } = row ?? {};
  return {
    logId: String(log).toLowerCase(),
    index: Number(position),
    hash: String(hash).toLowerCase(),
  };
}

/** What its store needs to read a snapshot. */
export function pointerOf(note: SnapshotNote): Buffer {
  return Buffer.from(note.pointer, 'base64');
}
