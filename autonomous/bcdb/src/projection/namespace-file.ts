import { closeSync, existsSync, fsyncSync, openSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { StatementSync } from 'node:sqlite';
import { GridError } from '@commongrid/base';
import type { BcdbErrorCode } from '../errors.ts';

/** `BCDB` in ASCII: what `file` and SQLite see in the header. */
const applicationId = 0x42434442;

/** Version of the tables; a file of another version is made anew from the log. */
const projectionVersion = 1;

/** Longest wait of a reader or the writer for the other, in the rare turns when one must. */
export const busyTimeoutMs = 5000;

const indexFileName = 'projections.db';

export function indexFile(folder: string): string {
  return join(folder, indexFileName);
}

/** Names of namespaces are names of files too; the prefix keeps them apart from the index. */
export function namespaceFile(folder: string, ns: string): string {
  return join(folder, `ns-${ns}.db`);
}

/** The namespace whose file has this name. */
export function namespaceOf(fileName: string): string | undefined {
  return /^ns-(.+)\.db$/.exec(fileName)?.[1];
}

const buildingSuffix = '.building';

/** Where a file is made that nobody reads before it is whole. */
export function buildingFile(path: string): string {
  return `${path}${buildingSuffix}`;
}

export function isBuildingFile(fileName: string): boolean {
  return fileName.endsWith(buildingSuffix);
}

/** Gives a file that was built, and is closed, the name under which it is read. */
export function finishBuilding(path: string): void {
  const built = buildingFile(path);
  const file = openSync(built, 'r+');
  try {
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  renameSync(built, path);
}

/** For as long as others read, and commits must come through a killed process. */
const livePragmas = `
  PRAGMA journal_mode = WAL;
  PRAGMA synchronous = NORMAL;
  PRAGMA cache_size = -32768;
  PRAGMA wal_autocheckpoint = 4000;
  PRAGMA journal_size_limit = 67108864;`;

/** A quarter quicker; a file that is not finished has to be thrown away. */
const buildingPragmas = `
  PRAGMA journal_mode = MEMORY;
  PRAGMA synchronous = OFF;
  PRAGMA cache_size = -131072;`;

/** Opens a file to write, and makes its first tables when it is new. */
export function openWritable(path: string, tables: string): DatabaseSync {
  const db = new DatabaseSync(path, { timeout: busyTimeoutMs });
  try {
    db.exec('PRAGMA secure_delete = ON');
    db.exec(isBuildingFile(path) ? buildingPragmas : livePragmas);
    if (pragma(db, 'application_id') === 0) {
      db.exec(`BEGIN; PRAGMA application_id = ${applicationId};
        PRAGMA user_version = ${projectionVersion}; ${tables}; COMMIT`);
    }
    return db;
  } catch (error) {
    db.close();
    throw error;
  }
}

/** Opens a file that must be there, to read. Undefined when there is none. */
export function openReadable(path: string): DatabaseSync | undefined {
  if (!existsSync(path)) return undefined;
  const db = new DatabaseSync(path, { readOnly: true, timeout: busyTimeoutMs });
  try {
    db.exec('PRAGMA cache_size = -16384; PRAGMA query_only = ON');
    // Between its creation and the first commit a file is empty.
    if (pragma(db, 'application_id') === applicationId) return db;
  } catch (error) {
    db.close();
    throw error;
  }
  db.close();
  return undefined;
}

/**
 * Whether a file is one of ours and whole.
 * @throws BCDB_PROJECTION_CORRUPT
 */
export function checkFile(path: string): void {
  let finding: string | undefined;
  try {
    using db = new DatabaseSync(path, { timeout: busyTimeoutMs });
    if (pragma(db, 'application_id') !== applicationId) finding = 'it is no projection';
    else if (pragma(db, 'user_version') !== projectionVersion) finding = 'it is of another version';
    else {
      const [first] = db.prepare('PRAGMA quick_check(1)').all();
      const text = Object.values(first ?? {})[0];
      if (text !== 'ok') finding = String(text);
    }
  } catch (error) {
    throw corrupt(path, error instanceof Error ? error.message : 'unreadable', error);
  }
  if (finding !== undefined) throw corrupt(path, finding);
}

export function removeFile(path: string): void {
  for (const suffix of ['-wal', '-shm', '']) rmSync(`${path}${suffix}`, { force: true });
}

function pragma(db: DatabaseSync, name: string): unknown {
  return Object.values(db.prepare(`PRAGMA ${name}`).get() ?? {})[0];
}

export function corrupt(path: string, finding: string, cause?: unknown): GridError<BcdbErrorCode> {
  return new GridError('BCDB_PROJECTION_CORRUPT', `${path}: ${finding}`, {
    hint: 'it is made anew from the log; the log itself is not touched',
    details: { path, finding },
    cause,
  });
}

/**
 * Prepares a statement that writes. `run` reports the last row number, which after full text has
 * written can be above what a number of JavaScript holds, also when the statement added no row.
 */
export function prepareWrite(db: DatabaseSync, sql: string): StatementSync {
  return db.prepare(sql, { readBigInts: true });
}
