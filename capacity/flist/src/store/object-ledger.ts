import { DatabaseSync } from 'node:sqlite';
import type { SQLInputValue, StatementSync } from 'node:sqlite';

import { errorCode, inTransaction } from '@commongrid/base';

import type { FlistDigest } from '../format/flist.ts';
import type { ObjectId } from '../format/object-id.ts';
import type { ChunkHash } from '../ports.ts';
import { diskFull } from './disk-full.ts';

/** What a file of the store is: a whole object, or a chunk of one that is not whole yet. */
export type EntryKind = 'object' | 'chunk';

/** A file of the store, whose name is its id or hash. */
export interface EntryKey {
  readonly kind: EntryKind;
  readonly name: string;
}

export interface Entry extends EntryKey {
  readonly sizeBytes: number;
  /** Size, times and inode of the file when it was verified: `stampOf`. */
  readonly stamp: string;
  readonly lastUsedMs: number;
}

/** A chunk within a whole object. */
export interface HeldChunk {
  readonly object: ObjectId;
  readonly number: number;
}

/**
 * What a store knows of its files: a row says that a file was verified when it had this stamp. A
 * SQLite file in WAL mode. A commit is not synced, so the newest rows can be lost with the power;
 * a row that is there is true, unless it is not `settled`: then its file may not be on disk.
 */
export class ObjectLedger implements Disposable {
  readonly #db: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();

  private constructor(db: DatabaseSync) {
    this.#db = db;
  }

  /** @throws what SQLite throws when the file is damaged */
  static open(file: string): ObjectLedger {
    const db = new DatabaseSync(file);
    try {
      db.exec(schema);
      const [check] = db.prepare('PRAGMA integrity_check(1)').all();
      if (check?.['integrity_check'] !== 'ok') throw new Error('the ledger is damaged');
      return new ObjectLedger(db);
    } catch (error) {
      db.close();
      throw error;
    }
  }

  /**
   * Does several things or none.
   * @throws FLIST_DISK_FULL, as every method that writes
   */
  transaction(work: () => void): void {
    try {
      inTransaction(this.#db, work);
    } catch (error) {
      throw isDiskFull(error) ? diskFull(error) : error;
    }
  }

  getNote(name: string): string | undefined {
    const row = this.#statement('SELECT value FROM notes WHERE name = ?').get(name);
    return row === undefined ? undefined : String(row['value']);
  }

  setNote(name: string, value: string): void {
    this.#run('INSERT OR REPLACE INTO notes VALUES (?, ?)', name, value);
  }

  get({ kind, name }: EntryKey): Entry | undefined {
    const row = this.#statement(`SELECT ${columns} FROM entries WHERE kind = ? AND name = ?`).get(
      kindNumbers[kind],
      Buffer.from(name, 'hex'),
    );
    return row === undefined ? undefined : entryOf(row);
  }

  /** The stamps of whole objects, in the same order: a mount asks for thousands. */
  stampsOf(objects: readonly ObjectId[]): (string | undefined)[] {
    if (objects.length === 0) return [];
    const rows = this.#statement(
      `SELECT stamp FROM json_each(?) LEFT JOIN entries
        ON kind = ${kindNumbers.object} AND name = unhex(value) ORDER BY json_each.id`,
    ).all(JSON.stringify(objects));
    return rows.map(({ stamp }) => (stamp === null ? undefined : String(stamp)));
  }

  has({ kind, name }: EntryKey): boolean {
    const sql = 'SELECT 1 FROM entries WHERE kind = ? AND name = ?';
    return this.#statement(sql).get(kindNumbers[kind], Buffer.from(name, 'hex')) !== undefined;
  }

  /** Its file is not known to be on disk until `settle`. */
  put({ kind, name, sizeBytes, stamp, lastUsedMs }: Entry): void {
    this.#run(
      'INSERT OR REPLACE INTO entries VALUES (?, ?, ?, ?, ?, 0)',
      ...[kindNumbers[kind], Buffer.from(name, 'hex'), sizeBytes, stamp, lastUsedMs],
    );
  }

  /** Forgets an entry, and what a whole object holds. */
  remove({ kind, name }: EntryKey): void {
    const key = Buffer.from(name, 'hex');
    this.#run('DELETE FROM entries WHERE kind = ? AND name = ?', kindNumbers[kind], key);
    if (kind === 'object') this.#run('DELETE FROM held WHERE object = ?', key);
  }

  touch({ kind, name }: EntryKey, lastUsedMs: number): void {
    const sql = 'UPDATE entries SET last_used = ? WHERE kind = ? AND name = ?';
    this.#run(sql, lastUsedMs, kindNumbers[kind], Buffer.from(name, 'hex'));
  }

  settle({ kind, name, stamp }: Entry): void {
    const sql = 'UPDATE entries SET settled = 1 WHERE kind = ? AND name = ? AND stamp = ?';
    this.#run(sql, kindNumbers[kind], Buffer.from(name, 'hex'), stamp);
  }

  hold(hash: ChunkHash, { object, number }: HeldChunk): void {
    this.#run(
      'INSERT OR REPLACE INTO held VALUES (?, ?, ?)',
      ...[Buffer.from(hash, 'hex'), Buffer.from(object, 'hex'), number],
    );
  }

  holderOf(hash: ChunkHash): HeldChunk | undefined {
    const sql = 'SELECT object, number FROM held WHERE hash = ?';
    const row = this.#statement(sql).get(Buffer.from(hash, 'hex'));
    if (row === undefined) return undefined;
    return { object: hexOf(row['object']) as ObjectId, number: Number(row['number']) };
  }

  /** Chunks that are known to be in an object. */
  heldBy(object: ObjectId): ChunkHash[] {
    const sql = 'SELECT hash FROM held WHERE object = ?';
    const rows = this.#statement(sql).all(Buffer.from(object, 'hex'));
    return rows.map((row) => hexOf(row['hash']) as ChunkHash);
  }

  /** The next entries, those that were not used for longest first. */
  oldest(after: Entry | undefined, count: number): Entry[] {
    const rows = this.#statement(
      `SELECT ${columns} FROM entries WHERE (last_used, kind, name) > (?, ?, ?)
        ORDER BY last_used, kind, name LIMIT ?`,
    ).all(after?.lastUsedMs ?? -1, ...keyAfter(after), count);
    return rows.map(entryOf);
  }

  /** The next entries in the order of their keys. */
  page(after: EntryKey | undefined, count: number): Entry[] {
    const rows = this.#statement(
      `SELECT ${columns} FROM entries WHERE (kind, name) > (?, ?) ORDER BY kind, name LIMIT ?`,
    ).all(...keyAfter(after), count);
    return rows.map(entryOf);
  }

  /** Nobody knows any more what the files have that were not settled. */
  doubtUnsettled(): void {
    this.#run("UPDATE entries SET stamp = '' WHERE settled = 0");
  }

  unsettled(count: number): Entry[] {
    const sql = `SELECT ${columns} FROM entries WHERE settled = 0 LIMIT ?`;
    return this.#statement(sql).all(count).map(entryOf);
  }

  /** Entries of a kind, and the bytes that they take on disk. */
  total(kind: EntryKind): { readonly count: number; readonly sizeBytes: number } {
    const row = this.#statement(
      `SELECT count(*) AS count, total((size + ${blockBytes - 1}) / ${blockBytes}) AS blocks
        FROM entries WHERE kind = ?`,
    ).get(kindNumbers[kind]);
    return { count: Number(row?.['count']), sizeBytes: Number(row?.['blocks']) * blockBytes };
  }

  pin(mount: string, digest: FlistDigest): void {
    this.#run('INSERT OR REPLACE INTO pins VALUES (?, ?)', mount, digest);
  }

  unpin(mount: string): void {
    this.#run('DELETE FROM pins WHERE mount = ?', mount);
  }

  pins(): Map<string, FlistDigest> {
    const rows = this.#statement('SELECT mount, digest FROM pins').all();
    return new Map(rows.map((row) => [String(row['mount']), String(row['digest']) as FlistDigest]));
  }

  [Symbol.dispose](): void {
    this.#statements.clear();
    this.#db.close();
  }

  #run(sql: string, ...values: readonly SQLInputValue[]): void {
    try {
      this.#statement(sql).run(...values);
    } catch (error) {
      throw isDiskFull(error) ? diskFull(error) : error;
    }
  }

  #statement(sql: string): StatementSync {
    const known = this.#statements.get(sql);
    if (known !== undefined) return known;
    const statement = this.#db.prepare(sql);
    this.#statements.set(sql, statement);
    return statement;
  }
}

/** SQLITE_FULL: no room on the disk. */
const sqliteFull = 13;

function isDiskFull(error: unknown): boolean {
  if (errorCode(error) !== 'ERR_SQLITE_ERROR') return false;
  return error instanceof Error && 'errcode' in error && error.errcode === sqliteFull;
}

/** Files take whole blocks of a disk. */
export const blockBytes = 4096;

const kindNumbers = { object: 1, chunk: 2 } as const;

const columns = 'kind, name, size, stamp, last_used';

/** The folder of a store has one user: without locks a commit takes little more than half the time. */
const schema = `
  PRAGMA locking_mode = EXCLUSIVE;
  PRAGMA journal_mode = WAL;
  PRAGMA synchronous = NORMAL;
  CREATE TABLE IF NOT EXISTS notes (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
  CREATE TABLE IF NOT EXISTS entries (
    kind INTEGER NOT NULL, name BLOB NOT NULL, size INTEGER NOT NULL, stamp TEXT NOT NULL,
    last_used INTEGER NOT NULL, settled INTEGER NOT NULL, PRIMARY KEY (kind, name)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS entries_by_use ON entries (last_used, kind, name);
  CREATE INDEX IF NOT EXISTS entries_unsettled ON entries (settled) WHERE settled = 0;
  CREATE TABLE IF NOT EXISTS held (
    hash BLOB PRIMARY KEY, object BLOB NOT NULL, number INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS held_by_object ON held (object);
  CREATE TABLE IF NOT EXISTS pins (mount TEXT PRIMARY KEY, digest TEXT NOT NULL) STRICT;
`;

type Row = Readonly<Record<string, unknown>>;

function entryOf(row: Row): Entry {
  return {
    kind: row['kind'] === kindNumbers.object ? 'object' : 'chunk',
    name: hexOf(row['name']),
    sizeBytes: Number(row['size']),
    stamp: String(row['stamp']),
    lastUsedMs: Number(row['last_used']),
  };
}

function keyAfter(after: EntryKey | undefined): [number, Uint8Array] {
  if (after === undefined) return [0, new Uint8Array()];
  return [kindNumbers[after.kind], Buffer.from(after.name, 'hex')];
}

function hexOf(value: unknown): string {
  return value instanceof Uint8Array ? value.toHex() : '';
}
