import { randomBytes } from 'node:crypto';
import type { DatabaseSync } from 'node:sqlite';
import type { Permission } from '../actors/caller.ts';
import { tokenHash } from '../doors/tokens.ts';
import type { DataRules, PathRight, Share } from './data-rights.ts';

export const dataTables = `
  CREATE TABLE IF NOT EXISTS data_settings (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
  CREATE TABLE IF NOT EXISTS data_collections (name TEXT PRIMARY KEY, type TEXT NOT NULL) STRICT;
  CREATE TABLE IF NOT EXISTS data_shares (path TEXT PRIMARY KEY, readers TEXT NOT NULL) STRICT;
  CREATE TABLE IF NOT EXISTS data_apps (
    name TEXT PRIMARY KEY, hash BLOB NOT NULL, rights TEXT NOT NULL
  ) STRICT;
  CREATE TABLE IF NOT EXISTS data_grants (bot TEXT PRIMARY KEY, rights TEXT NOT NULL) STRICT;
`;

/** Where the files of a bot are, and the key to them. */
export interface FileStore {
  /** `http://host:port` of an S3. */
  readonly endpoint: string;
  readonly region: string;
  readonly bucket: string;
  readonly accessKey: string;
  readonly secretKey: string;
}

/** Name of a collection, and the type of the records in it. */
export interface Collection {
  readonly name: string;
  readonly type: string;
}

export interface AppEntry {
  readonly app: string;
  readonly rights: readonly PathRight[];
}

export interface GrantEntry {
  /** Id of the bot. */
  readonly bot: string;
  readonly rights: readonly PathRight[];
}

/** What a bot keeps about its data: where it is, and who may do what. The data is elsewhere. */
export class DataBook {
  readonly #db: DatabaseSync;

  constructor(db: DatabaseSync) {
    this.#db = db;
  }

  /** Namespace of the database that its records are in; undefined before there is one. */
  get namespace(): string | undefined {
    return this.#setting('namespace');
  }

  set namespace(ns: string) {
    this.#set('namespace', ns);
  }

  get files(): FileStore | undefined {
    const text = this.#setting('files');
    return text === undefined ? undefined : (JSON.parse(text) as FileStore);
  }

  set files(files: FileStore) {
    this.#set('files', JSON.stringify(files));
  }

  collections(): readonly Collection[] {
    const rows = this.#db.prepare('SELECT name, type FROM data_collections ORDER BY name').all();
    return rows.map((row) => ({ name: String(row['name']), type: String(row['type']) }));
  }

  typeOf(collection: string): string | undefined {
    const row = this.#db
      .prepare('SELECT type FROM data_collections WHERE name = ?')
      .get(collection);
    return row === undefined ? undefined : String(row['type']);
  }

  addCollection({ name, type }: Collection): void {
    this.#db.prepare('INSERT OR REPLACE INTO data_collections VALUES (?, ?)').run(name, type);
  }

  shares(): readonly Share[] {
    const rows = this.#db.prepare('SELECT path, readers FROM data_shares ORDER BY path').all();
    return rows.map((row) => ({
      path: String(row['path']),
      readers: row['readers'] as Permission,
    }));
  }

  share({ path, readers }: Share): void {
    this.#db.prepare('INSERT OR REPLACE INTO data_shares VALUES (?, ?)').run(path, readers);
  }

  unshare(path: string): boolean {
    const { changes } = this.#db.prepare('DELETE FROM data_shares WHERE path = ?').run(path);
    return Number(changes) > 0;
  }

  apps(): readonly AppEntry[] {
    const rows = this.#db.prepare('SELECT name, rights FROM data_apps ORDER BY name').all();
    return rows.map((row) => ({
      app: String(row['name']),
      rights: rightsIn(row),
    }));
  }

  /** Gives an app these rights and no others. Returns its new token; the former one ends. */
  allow({ app, rights }: AppEntry): string {
    const token = `${app}.${randomBytes(32).toString('base64url')}`;
    this.#db
      .prepare('INSERT OR REPLACE INTO data_apps VALUES (?, ?, ?)')
      .run(app, tokenHash(token), JSON.stringify(rights));
    return token;
  }

  forbid(app: string): boolean {
    const { changes } = this.#db.prepare('DELETE FROM data_apps WHERE name = ?').run(app);
    return Number(changes) > 0;
  }

  appHash(app: string): Uint8Array | undefined {
    const row = this.#db.prepare('SELECT hash FROM data_apps WHERE name = ?').get(app);
    return row?.['hash'] as Uint8Array | undefined;
  }

  grants(): readonly GrantEntry[] {
    const rows = this.#db.prepare('SELECT bot, rights FROM data_grants ORDER BY bot').all();
    return rows.map((row) => ({ bot: String(row['bot']), rights: rightsIn(row) }));
  }

  /** Gives a bot these rights and no others; none take it out. */
  grant({ bot, rights }: GrantEntry): void {
    if (rights.length === 0) {
      this.#db.prepare('DELETE FROM data_grants WHERE bot = ?').run(bot);
      return;
    }
    this.#db
      .prepare('INSERT OR REPLACE INTO data_grants VALUES (?, ?)')
      .run(bot, JSON.stringify(rights));
  }

  /** Who may do what, as it is now. */
  rules(): DataRules {
    const apps = new Map(this.apps().map(({ app, rights }) => [app, rights]));
    return {
      shares: this.shares(),
      rightsOf: (app) => apps.get(app) ?? [],
      grantsTo: (bot) => {
        const row = this.#db.prepare('SELECT rights FROM data_grants WHERE bot = ?').get(bot);
        return row === undefined ? [] : rightsIn(row);
      },
    };
  }

  #setting(name: string): string | undefined {
    const row = this.#db.prepare('SELECT value FROM data_settings WHERE name = ?').get(name);
    return row === undefined ? undefined : String(row['value']);
  }

  #set(name: string, value: string): void {
    this.#db.prepare('INSERT OR REPLACE INTO data_settings VALUES (?, ?)').run(name, value);
  }
}

function rightsIn(row: Readonly<Record<string, unknown>>): readonly PathRight[] {
  return JSON.parse(String(row['rights'])) as readonly PathRight[];
}
