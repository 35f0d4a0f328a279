import { rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { constants, DatabaseSync } from 'node:sqlite';
import type { Session, StatementSync } from 'node:sqlite';
import { GridError, isGridError, syncFolder } from '@commongrid/base';
import type { Logger } from '@commongrid/base';
import type { ZstorErrorCode } from '../errors.ts';
import { ChangeGuard } from './change-guard.ts';
import { follow } from './chain.ts';
import type { ChainState, Membership } from './chain.ts';
import { checkTables } from './check-tables.ts';
import { bodyOf } from './tlog-record.ts';
import type { TlogRecord } from './tlog-record.ts';

/** Pages of the tables that are kept in memory, for each connection, KiB. */
const cacheKib = 64 * 1024;

/** Result codes of SQLite: https://sqlite.org/rescode.html */
const sqliteCorrupt = 11;
const sqliteNotADatabase = 26;

const stateTable = `CREATE TABLE IF NOT EXISTS catalog_state (
  one INTEGER PRIMARY KEY CHECK (one = 1), log BLOB NOT NULL, position INTEGER NOT NULL,
  hash BLOB NOT NULL, epoch INTEGER NOT NULL, schema INTEGER NOT NULL, membership TEXT NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS catalog_dates (
  one INTEGER PRIMARY KEY CHECK (one = 1), highest_ms INTEGER NOT NULL
) STRICT`;

export interface CatalogDatabaseOptions {
  readonly folder: string;
  /** Scripts that make the tables; number n brings version n - 1 to n. */
  readonly schema: readonly string[];
  readonly logger: Logger;
}

/**
 * The tables in SQLite: one connection that writes, one that sees what is committed. Which record was
 * the last one is written in the same transaction as what it does, so a crash leaves the tables as
 * they were after some record.
 */
export class CatalogDatabase implements Disposable {
  readonly path: string;
  readonly #options: CatalogDatabaseOptions;
  readonly #guard = new ChangeGuard();
  #writer: DatabaseSync;
  #reader: DatabaseSync;
  #steps: Steps;
  #session: Session | undefined;
  #log: Buffer | undefined;
  #state: ChainState | undefined;

  /** Use `open`. */
  constructor(options: CatalogDatabaseOptions) {
    this.#options = options;
    this.path = CatalogDatabase.pathIn(options.folder);
    ({ writer: this.#writer, reader: this.#reader } = connect(this.path));
    this.#steps = prepareSteps(this.#writer);
    this.#load();
  }

  /**
   * Opens the tables, or, where they are damaged, sets them aside and begins with empty ones.
   * @throws ZSTOR_CATALOG_UNREADABLE for sound ones on a disk that is full, or refuses
   */
  static async open(options: CatalogDatabaseOptions): Promise<CatalogDatabase> {
    const sound = CatalogDatabase.openSound(options);
    if (sound !== undefined) return sound;
    const path = CatalogDatabase.pathIn(options.folder);
    await rename(path, join(options.folder, 'damaged.db'));
    await removeFiles(path);
    return new CatalogDatabase(options);
  }

  /** Where the tables of a folder are. */
  static pathIn(folder: string): string {
    return join(folder, 'catalog.db');
  }

  /** Opens the tables; undefined for damaged ones, which stay as they are. Throws as `open`. */
  static openSound(options: CatalogDatabaseOptions): CatalogDatabase | undefined {
    const path = CatalogDatabase.pathIn(options.folder);
    try {
      return new CatalogDatabase(options);
    } catch (err) {
      if (isGridError(err)) throw err;
      if (!isDamage(err)) throw unreadable(path, err);
      options.logger.error({ err, path }, 'the tables are damaged, and have to be made again');
      return undefined;
    }
  }

  /** What was applied; undefined for tables that are new. */
  get state(): ChainState | undefined {
    return this.#state;
  }

  /** The log that the tables are made from. */
  get logId(): Buffer | undefined {
    return this.#log;
  }

  /** Sees what is committed; for queries alone. Another one after a snapshot was loaded. */
  get reader(): DatabaseSync {
    return this.#reader;
  }

  /** Of the tables, as they are copied. */
  get sizeBytes(): number {
    const sql = 'SELECT page_count * page_size AS bytes FROM pragma_page_count, pragma_page_size';
    return Number(this.#reader.prepare(sql).get()?.['bytes']);
  }

  /** Makes these the tables of a log that begins with `state`. */
  begin(logId: Buffer, state: ChainState): void {
    this.#log = logId;
    this.#transact(() => this.#setState(state));
  }

  /** @throws ZSTOR_CATALOG_HALTED, ZSTOR_CATALOG_SCHEMA_NEWER; nothing is applied then */
  apply(records: readonly TlogRecord[]): void {
    if (records.length === 0) return;
    this.#transact(() => {
      const state = records.reduce((before, record) => this.#applyOne(before, record), this.#known);
      this.#setState(state);
    });
  }

  beginBatch(): void {
    this.#steps.begin.run();
    this.#session = this.#writer.createSession();
  }

  /**
   * Runs one change of the batch; when it throws, it alone is undone.
   * @throws what it throws, ZSTOR_CATALOG_CHANGE_INVALID
   */
  change<T>(run: (db: DatabaseSync) => T): T {
    this.#steps.savepoint.run();
    try {
      const result = this.#guard.run(() => run(this.#writer));
      this.#steps.release.run();
      return result;
    } catch (error) {
      // Some failures, as a full disk, end the whole transaction.
      if (this.#writer.isTransaction) {
        this.#steps.undo.run();
        this.#steps.release.run();
      }
      throw error;
    }
  }

  /** Rows that belong to the whole batch. */
  note(run: (db: DatabaseSync) => void): void {
    run(this.#writer);
  }

  /** False when SQLite has undone the batch by itself. */
  get isInBatch(): boolean {
    return this.#writer.isTransaction;
  }

  /**
   * What the batch changes, for the log.
   * @param highestDateMs is written along, if it changes anything
   */
  endChanges(highestDateMs?: number): Uint8Array {
    let changes = this.#session?.changeset() ?? new Uint8Array(0);
    if (highestDateMs !== undefined && changes.length > 0) {
      this.#steps.noteDate.run(highestDateMs);
      changes = this.#session?.changeset() ?? changes;
    }
    this.#endSession();
    return changes;
  }

  /** The highest date that was written along; 0 when there was none. */
  get highestDateMs(): number {
    const row = this.#reader.prepare('SELECT highest_ms FROM catalog_dates').get();
    return Number(row?.['highest_ms'] ?? 0);
  }

  commit(state: ChainState): void {
    const before = this.#state;
    this.#setState(state);
    try {
      this.#steps.commit.run();
    } catch (error) {
      this.#state = before;
      throw error;
    }
  }

  rollback(): void {
    this.#endSession();
    if (this.#writer.isTransaction) this.#steps.rollback.run();
  }

  /** The log went on by records that change no table. */
  advance(state: ChainState): void {
    this.#transact(() => this.#setState(state));
  }

  /** Puts the tables of a snapshot in the place of these; the log and its members stay. */
  async replaceBy(path: string, membership: Membership): Promise<void> {
    const log = this.#log;
    this[Symbol.dispose]();
    await removeFiles(this.path);
    await rename(path, this.path);
    await syncFolder(this.#options.folder);
    ({ writer: this.#writer, reader: this.#reader } = connect(this.path));
    this.#steps = prepareSteps(this.#writer);
    this.#load();
    this.#log = log;
    this.advance({ ...this.#known, membership });
  }

  [Symbol.dispose](): void {
    this.rollback();
    if (this.#reader.isOpen) this.#reader.close();
    if (this.#writer.isOpen) this.#writer.close();
  }

  get #known(): ChainState {
    if (this.#state === undefined) throw new Error('the tables belong to no log yet');
    return this.#state;
  }

  #load(): void {
    const row = this.#writer.prepare('SELECT * FROM catalog_state').get();
    this.#guard.watch(this.#writer);
    if (row === undefined) return;
    const membership: Membership = JSON.parse(String(row['membership']));
    this.#log = bytesOf(row['log']);
    this.#state = {
      index: Number(row['position']),
      hash: bytesOf(row['hash']),
      epoch: Number(row['epoch']),
      schema: Number(row['schema']),
      membership,
    };
  }

  #applyOne(before: ChainState, record: TlogRecord): ChainState {
    if (record.kind === 'changes') this.#applyChanges(record);
    const state = follow(before, record);
    for (let version = before.schema; version < state.schema; version++) this.#migrate(version);
    return state;
  }

  #applyChanges(record: TlogRecord): void {
    let conflict: { readonly kind: number } | undefined;
    const isApplied = this.#writer.applyChangeset(bodyOf(record), {
      onConflict: (kind) => {
        conflict = { kind };
        return constants.SQLITE_CHANGESET_ABORT;
      },
    });
    if (!isApplied || conflict !== undefined) throw halted(record, conflict?.kind);
  }

  #migrate(version: number): void {
    const { schema } = this.#options;
    const script = schema[version];
    if (script === undefined) throw unknownSchema(version + 1, schema.length);
    this.#writer.exec(script);
    checkTables(this.#writer);
  }

  #setState(state: ChainState): void {
    const { index, hash, epoch, schema, membership } = state;
    this.#steps.note.run(this.#log ?? '', index, hash, epoch, schema, JSON.stringify(membership));
    this.#state = state;
  }

  #transact(run: () => void): void {
    const before = this.#state;
    this.#steps.begin.run();
    try {
      run();
      this.#steps.commit.run();
    } catch (error) {
      if (this.#writer.isTransaction) this.#steps.rollback.run();
      this.#state = before;
      throw error;
    }
  }

  #endSession(): void {
    this.#session?.close();
    this.#session = undefined;
  }
}

interface Steps {
  readonly begin: StatementSync;
  readonly commit: StatementSync;
  readonly rollback: StatementSync;
  readonly savepoint: StatementSync;
  readonly release: StatementSync;
  readonly undo: StatementSync;
  readonly note: StatementSync;
  readonly noteDate: StatementSync;
}

function prepareSteps(db: DatabaseSync): Steps {
  return {
    begin: db.prepare('BEGIN IMMEDIATE'),
    commit: db.prepare('COMMIT'),
    rollback: db.prepare('ROLLBACK'),
    savepoint: db.prepare('SAVEPOINT catalog_change'),
    release: db.prepare('RELEASE catalog_change'),
    undo: db.prepare('ROLLBACK TO catalog_change'),
    noteDate: db.prepare('INSERT OR REPLACE INTO catalog_dates VALUES (1, ?)'),
    note: db.prepare('INSERT OR REPLACE INTO catalog_state VALUES (1, ?, ?, ?, ?, ?, ?)'),
  };
}

/**
 * What a power cut takes from the tables comes back from the log, so they are not synced at each
 * commit. Foreign keys would do their work twice, here and in changesets.
 */
function connect(path: string): { writer: DatabaseSync; reader: DatabaseSync } {
  const writer = new DatabaseSync(path, { enableForeignKeyConstraints: false });
  try {
    writer.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;
      PRAGMA cache_size = -${cacheKib}; ${stateTable}`);
    const problem = writer.prepare('PRAGMA quick_check(1)').get()?.['quick_check'];
    if (problem !== 'ok') throw new TablesDamaged(String(problem));
    const reader = new DatabaseSync(path, { readOnly: true, enableForeignKeyConstraints: false });
    reader.exec(`PRAGMA cache_size = -${cacheKib}`);
    return { writer, reader };
  } catch (error) {
    writer.close();
    throw error;
  }
}

/** The check of the tables found something. */
class TablesDamaged extends Error {}

/** Whatever else keeps them from being opened, as a full disk, says nothing about the tables. */
export function isDamage(error: unknown): boolean {
  if (error instanceof TablesDamaged) return true;
  if (!(error instanceof Error) || !('errcode' in error)) return false;
  const primary = Number(error.errcode) & 0xff;
  return primary === sqliteCorrupt || primary === sqliteNotADatabase;
}

async function removeFiles(path: string): Promise<void> {
  for (const end of ['', '-wal', '-shm']) await rm(path + end, { force: true });
}

function bytesOf(value: unknown): Buffer {
  return value instanceof Uint8Array ? Buffer.from(value) : Buffer.alloc(0);
}

function unreadable(path: string, cause: unknown): GridError<ZstorErrorCode> {
  const why = cause instanceof Error ? cause.message : String(cause);
  return new GridError('ZSTOR_CATALOG_UNREADABLE', `${path} cannot be opened: ${why}`, {
    hint: 'see whether its disk has room, and lets this user write; then start again',
    retryable: true,
    details: { path },
    cause,
  });
}

function halted(record: TlogRecord, kind: number | undefined): GridError<ZstorErrorCode> {
  const { index, epoch } = record;
  return new GridError(
    'ZSTOR_CATALOG_HALTED',
    `record ${index} of the log does not fit to the tables`,
    {
      hint: 'keep the folder for whoever looks into it, and start with an empty one',
      details: { index, epoch, hash: record.hash.toString('hex'), conflict: kind },
    },
  );
}

function unknownSchema(schema: number, known: number): GridError<ZstorErrorCode> {
  return new GridError(
    'ZSTOR_CATALOG_SCHEMA_NEWER',
    `the log has tables of version ${schema}, this program knows ${known}`,
    { hint: 'update this program', details: { schema, known } },
  );
}
