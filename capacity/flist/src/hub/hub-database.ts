import { DatabaseSync } from 'node:sqlite';
import type { SQLInputValue, SQLOutputValue, StatementSync } from 'node:sqlite';

import { GridError, inTransaction } from '@commongrid/base';

import type { FlistErrorCode } from '../errors.ts';

export type Row = Record<string, SQLOutputValue>;

/** 1 and 2 are brought up to it: 1 had no quotas of single users, 2 did not say of whom nonces are. */
const layout = 3;

const quotas = `
  CREATE TABLE IF NOT EXISTS quotas (
    user TEXT PRIMARY KEY, bytes INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
`;

/** Former ones, which are of use for some minutes more, are of nobody. */
const users = `ALTER TABLE nonces ADD COLUMN user TEXT NOT NULL DEFAULT '';`;

const isLayout = `PRAGMA user_version = ${layout};`;

const schema = `
  CREATE TABLE repositories (
    user TEXT NOT NULL, name TEXT NOT NULL, description TEXT NOT NULL, labels TEXT NOT NULL,
    words TEXT NOT NULL, changed_ms INTEGER NOT NULL, PRIMARY KEY (user, name)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE versions (
    seq INTEGER PRIMARY KEY, user TEXT NOT NULL, name TEXT NOT NULL, tag TEXT NOT NULL,
    digest TEXT, link TEXT, at_ms INTEGER NOT NULL, key TEXT NOT NULL,
    CHECK ((digest IS NULL) <> (link IS NULL))
  ) STRICT;
  CREATE INDEX versions_by_name ON versions (user, name, tag, seq);
  CREATE INDEX versions_by_digest ON versions (digest);
  CREATE TABLE flists (
    digest TEXT PRIMARY KEY, bytes INTEGER NOT NULL, brought_ms INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE brought (
    user TEXT NOT NULL, hour INTEGER NOT NULL, bytes INTEGER NOT NULL, PRIMARY KEY (user, hour)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE nonces (
    nonce TEXT PRIMARY KEY, until_ms INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX nonces_by_time ON nonces (until_ms);
  ${quotas} ${users} ${isLayout}
`;

/** The tables of a hub in SQLite. What was committed survives a power cut. */
export class HubDatabase implements Disposable {
  readonly #db: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();

  private constructor(db: DatabaseSync) {
    this.#db = db;
  }

  /** @throws FLIST_VERSION_UNKNOWN, and what SQLite throws when the file is damaged */
  static open(file: string): HubDatabase {
    const db = new DatabaseSync(file);
    try {
      db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL');
      const version = db.prepare('PRAGMA user_version').get()?.['user_version'];
      if (version === 0) db.exec(`BEGIN IMMEDIATE; ${schema} COMMIT`);
      else if (version === 1 || version === 2) {
        db.exec(`BEGIN IMMEDIATE; ${quotas} ${users} ${isLayout} COMMIT`);
      } else if (version !== layout) throw newer(file);
      return new HubDatabase(db);
    } catch (error) {
      db.close();
      throw error;
    }
  }

  /** Does several things or none. */
  transaction<T>(work: () => T): T {
    return inTransaction(this.#db, work);
  }

  get(sql: string, ...values: SQLInputValue[]): Row | undefined {
    return this.#statement(sql).get(...values);
  }

  all(sql: string, ...values: SQLInputValue[]): Row[] {
    return this.#statement(sql).all(...values);
  }

  /** Returns how many rows changed. */
  run(sql: string, ...values: SQLInputValue[]): number {
    return Number(this.#statement(sql).run(...values).changes);
  }

  [Symbol.dispose](): void {
    this.#db.close();
  }

  /** All texts of statements stand in the source, so they are few. */
  #statement(sql: string): StatementSync {
    const known = this.#statements.get(sql);
    if (known !== undefined) return known;
    const statement = this.#db.prepare(sql);
    this.#statements.set(sql, statement);
    return statement;
  }
}

function newer(file: string): GridError<FlistErrorCode> {
  return new GridError('FLIST_VERSION_UNKNOWN', `a newer release made ${file}`, {
    hint: 'use that release',
  });
}
