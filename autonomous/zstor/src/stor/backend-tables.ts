import type { DatabaseSync } from 'node:sqlite';
import { GridError } from '@commongrid/base';
import { statementOf } from '../catalog/statement-of.ts';
import type { ZstorErrorCode } from '../errors.ts';

/**
 * `used`: takes shards. `draining`: keeps what it has until that is elsewhere, and takes nothing.
 * `retired`: the namespace of that name was emptied, and has another number now.
 */
export type BackendUse = 'used' | 'draining' | 'retired';

export interface BackendRow {
  readonly no: number;
  /** `HOST:PORT/namespace` */
  readonly name: string;
  readonly use: BackendUse;
  /** Its namespace has been given its marker, so one without is empty. */
  readonly isMarked: boolean;
}

/** The script of the table, part of the first one of an owner. */
export const backendTable = `
  CREATE TABLE backends (
    no INTEGER PRIMARY KEY CHECK (no BETWEEN 1 AND 65535),
    name TEXT NOT NULL,
    use TEXT NOT NULL,
    is_marked INTEGER NOT NULL
  ) STRICT;
  CREATE INDEX backends_name ON backends (name);
`;

/** Whether the tables are made: those of a new store are when it is first taken over. */
export function hasBackends(db: DatabaseSync): boolean {
  const sql = `SELECT 1 FROM sqlite_schema WHERE name = 'backends'`;
  return statementOf(db, sql).get() !== undefined;
}

/** All that ever were. */
export function listBackends(db: DatabaseSync): BackendRow[] {
  return statementOf(db, 'SELECT * FROM backends ORDER BY no').all().map(rowOf);
}

/** The number of a backend; a name that is new gets the next one, for ever. */
export function numberBackend(db: DatabaseSync, name: string): number {
  return findBackend(db, name) ?? newNumber(db, name);
}

/** The number that this name has now. */
export function findBackend(db: DatabaseSync, name: string): number | undefined {
  const sql = `SELECT no FROM backends WHERE name = ? AND use <> 'retired'`;
  const row = statementOf(db, sql).get(name);
  return row === undefined ? undefined : Number(row['no']);
}

/** A backend whose marker was looked at. */
export interface FoundBackend {
  readonly name: string;
  /** Under which it was asked. */
  readonly no: number;
  /** The number in its marker; undefined when there is none. */
  readonly found: number | undefined;
  /** Whether the backends file has that name, and what is there was not seen to be another number. */
  readonly mayBe: (name: string, no: number) => boolean;
}

/**
 * What a marker says about a backend. 1. There is none, and never was: it is as it was. 2. There is
 * none, but there was: it was emptied, and gets a new number. 3. Its own. 4. That of a number which the
 * name had before, whose name has left the file, or at whose name another one is: what was there is
 * back, or has moved here. 5. That of another one: undefined, it must not be used under two names.
 */
export function settleBackend(
  db: DatabaseSync,
  { name, no, found, mayBe }: FoundBackend,
): number | undefined {
  const current = findBackend(db, name) ?? no;
  const row = backendRow(db, current);
  // The number may be that of another name by now.
  const isOwn = row === undefined || row.name === name;
  const use = isOwn ? (row?.use ?? 'used') : 'used';
  if (found === undefined) {
    if (isOwn && row?.isMarked !== true) return current;
    if (isOwn) setUse(db, current, 'retired');
    return newNumber(db, name, use);
  }
  if (found !== current) {
    const owner = backendRow(db, found);
    if (owner !== undefined && owner.name !== name && mayBe(owner.name, found)) return undefined;
    if (isOwn) setUse(db, current, 'retired');
    if (owner === undefined) insert(db, found, name, use);
    else statementOf(db, renameSql).run(name, use, found);
  }
  statementOf(db, 'UPDATE backends SET is_marked = 1 WHERE no = ?').run(found);
  return found;
}

const renameSql = 'UPDATE backends SET name = ?, use = ? WHERE no = ?';

/**
 * Has a backend emptied, or used again.
 * @throws ZSTOR_BACKEND_UNKNOWN
 */
export function drainBackend(db: DatabaseSync, name: string, isDraining: boolean): number {
  const no = findBackend(db, name);
  if (no === undefined) throw unknown(db, name);
  setUse(db, no, isDraining ? 'draining' : 'used');
  return no;
}

function newNumber(db: DatabaseSync, name: string, use: BackendUse = 'used'): number {
  const next = statementOf(db, 'SELECT coalesce(max(no), 0) + 1 AS no FROM backends').get();
  const no = Number(next?.['no']);
  insert(db, no, name, use);
  return no;
}

function insert(db: DatabaseSync, no: number, name: string, use: BackendUse): void {
  statementOf(db, 'INSERT INTO backends VALUES (?, ?, ?, 0)').run(no, name, use);
}

function setUse(db: DatabaseSync, no: number, use: BackendUse): void {
  statementOf(db, 'UPDATE backends SET use = ? WHERE no = ?').run(use, no);
}

function backendRow(db: DatabaseSync, no: number): BackendRow | undefined {
  const row = statementOf(db, 'SELECT * FROM backends WHERE no = ?').get(no);
  return row === undefined ? undefined : rowOf(row);
}

function rowOf(row: Record<string, unknown>): BackendRow {
  const use = String(row['use']);
  return {
    no: Number(row['no']),
    name: String(row['name']),
    use: use === 'draining' || use === 'retired' ? use : 'used',
    isMarked: row['is_marked'] === 1,
  };
}

function unknown(db: DatabaseSync, name: string): GridError<ZstorErrorCode> {
  const names = listBackends(db)
    .filter(({ use }) => use !== 'retired')
    .map((row) => row.name);
  return new GridError('ZSTOR_BACKEND_UNKNOWN', `no backend of this store is called ${name}`, {
    hint: 'give HOST:PORT/NAMESPACE as in the backends file; grid zstor status shows all',
    details: { name, names: names.slice(0, 100) },
  });
}
