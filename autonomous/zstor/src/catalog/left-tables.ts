import { access } from 'node:fs/promises';
import type { DatabaseSync } from 'node:sqlite';
import { errorCode, FolderLock, silentLogger } from '@commongrid/base';
import { CatalogDatabase, isDamage } from './catalog-database.ts';
import type { CatalogOptions } from './catalog.ts';
import type { SnapshotNote } from './chain.ts';
import { Snapshots } from './snapshots.ts';
import type { TablesPosition } from './snapshots.ts';

/** The tables that a head left in its folder, for when their log is lost. They stay as they are. */
export class LeftTables implements AsyncDisposable {
  readonly position: TablesPosition;
  readonly #database: CatalogDatabase;
  readonly #snapshots: Snapshots;
  readonly #lock: FolderLock;

  private constructor(
    position: TablesPosition,
    database: CatalogDatabase,
    snapshots: Snapshots,
    lock: FolderLock,
  ) {
    this.position = position;
    this.#database = database;
    this.#snapshots = snapshots;
    this.#lock = lock;
  }

  /**
   * Opens them; undefined when there are none, or SQLite finds them damaged.
   * @throws BASE_FOLDER_LOCKED, ZSTOR_CATALOG_UNREADABLE
   */
  static async open(o: CatalogOptions): Promise<LeftTables | undefined> {
    const { folder, schema, logger = silentLogger } = o;
    if (!(await isThere(CatalogDatabase.pathIn(folder)))) return undefined;
    await using stack = new AsyncDisposableStack();
    const lock = stack.use(await FolderLock.open(folder));
    const database = CatalogDatabase.openSound({ folder, schema, logger });
    if (database === undefined) return undefined;
    stack.use(database);
    const { state, logId } = database;
    if (state === undefined || logId === undefined || !isWhole(database.reader)) return undefined;
    const { index, hash } = state;
    const position = { logId: logId.toString('hex'), index, hash: hash.toString('hex') };
    stack.move();
    return new LeftTables(
      position,
      database,
      new Snapshots(folder, o.snapshots, o.metadataKey),
      lock,
    );
  }

  read<T>(query: (db: DatabaseSync) => T): T {
    return query(this.#database.reader);
  }

  /** Where a snapshot was taken. @throws ZSTOR_CATALOG_SNAPSHOT_CORRUPT, and what its store throws */
  positionOf(pointer: Buffer): Promise<TablesPosition> {
    return this.#snapshots.positionOf(pointer);
  }

  /** Writes a snapshot of them, with which a log can begin. */
  keep(): Promise<SnapshotNote> {
    return this.#snapshots.keep(this.#database);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#database[Symbol.dispose]();
    await this.#lock[Symbol.asyncDispose]();
  }
}

/** What is looked at with each start leaves out whether indexes fit to their tables. */
function isWhole(db: DatabaseSync): boolean {
  try {
    return db.prepare('PRAGMA integrity_check(1)').get()?.['integrity_check'] === 'ok';
  } catch (error) {
    if (isDamage(error)) return false;
    throw error;
  }
}

async function isThere(path: string): Promise<boolean> {
  try {
    await access(path);
    return true;
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return false;
    throw error;
  }
}
