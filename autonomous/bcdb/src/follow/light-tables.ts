import { randomBytes } from 'node:crypto';
import type { DatabaseSync } from 'node:sqlite';

/** Makes the tables of a light follower's store, or makes them anew where they are of an old form. */
export function prepareTables(db: DatabaseSync): void {
  db.exec(settings);
  const version = Number(db.prepare('PRAGMA user_version').get()?.['user_version']);
  if (version === storeVersion) return;
  db.exec(`BEGIN IMMEDIATE; ${schema};`);
  const epoch = db.prepare("INSERT OR REPLACE INTO fact VALUES ('epoch', ?)");
  epoch.run(randomBytes(16).toString('base64url'));
  db.exec('COMMIT');
}

/** Which feeds a record is in, as bits; none for a proposal that is there because it took effect. */
const recordColumns = `(seq INTEGER PRIMARY KEY, feeds INTEGER NOT NULL, at INTEGER,
  proposal INTEGER, model INTEGER, packed BLOB NOT NULL)`;
const objectColumns = `(ns TEXT, url TEXT, obj TEXT, seq INTEGER NOT NULL, at INTEGER NOT NULL,
  op TEXT NOT NULL, origin INTEGER NOT NULL, PRIMARY KEY (ns, url, obj)) WITHOUT ROWID`;

/** Pages after which what was written moves from the log of the file into the file: 256 KiB. */
const walPages = 64;

const settings = `
  PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA temp_store = MEMORY;
  PRAGMA wal_autocheckpoint = ${walPages}`;

/** Of the tables; with another one they are made anew, and all feeds are asked for again. */
const storeVersion = 2;

const schema = `
  CREATE TABLE IF NOT EXISTS fact (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
  DELETE FROM fact WHERE name = 'whole';
  DROP TABLE IF EXISTS record; CREATE TABLE record ${recordColumns};
  DROP TABLE IF EXISTS object; CREATE TABLE object ${objectColumns};
  DROP TABLE IF EXISTS pending_record; CREATE TABLE pending_record ${recordColumns};
  DROP TABLE IF EXISTS pending_object; CREATE TABLE pending_object ${objectColumns};
  DROP TABLE IF EXISTS arrival; CREATE TABLE arrival (arrived INTEGER PRIMARY KEY, seq INTEGER NOT NULL);
  PRAGMA user_version = ${storeVersion}`;
