import type { DatabaseSync } from 'node:sqlite';
import { statementOf } from '../catalog/statement-of.ts';

/**
 * Which keys of buckets there are, and who holds them: the keys themselves are on the holders alone.
 * Rows of `keys` stay when a key is erased, so that nobody brings it back. A holder that has lost its
 * place is `is_former`, and is still asked to erase. `key_erasures` are those that have not confirmed.
 */
export const keyTables = `
  CREATE TABLE keys (no INTEGER PRIMARY KEY, is_erased INTEGER NOT NULL) STRICT;
  CREATE TABLE key_holders (
    name TEXT NOT NULL PRIMARY KEY,
    is_former INTEGER NOT NULL
  ) WITHOUT ROWID, STRICT;
  CREATE TABLE key_erasures (
    no INTEGER NOT NULL,
    holder TEXT NOT NULL,
    PRIMARY KEY (no, holder)
  ) WITHOUT ROWID, STRICT;
`;

export type KeyState = 'live' | 'erased';

export function findKey(db: DatabaseSync, no: number): KeyState | undefined {
  const row = statementOf(db, 'SELECT is_erased FROM keys WHERE no = ?').get(no);
  if (row === undefined) return undefined;
  return row['is_erased'] === 0 ? 'live' : 'erased';
}

/** @returns false when there was one with this number */
export function insertKey(db: DatabaseSync, no: number): boolean {
  return statementOf(db, 'INSERT OR IGNORE INTO keys VALUES (?, 0)').run(no).changes === 1;
}

/**
 * From here on it is no key any more, and all who may have it are to erase it: for the change in which
 * a bucket goes. A head that serves sees to it; `BlobStore.eraseKey` does it at once.
 */
export function releaseKey(db: DatabaseSync, no: number): void {
  statementOf(db, 'UPDATE keys SET is_erased = 1 WHERE no = ?').run(no);
  const sql = 'INSERT OR IGNORE INTO key_erasures SELECT ?, name FROM key_holders';
  statementOf(db, sql).run(no);
}

export function keysOf(db: DatabaseSync, state: KeyState): number[] {
  const sql = 'SELECT no FROM keys WHERE is_erased = ? ORDER BY no';
  const rows = statementOf(db, sql).all(Number(state === 'erased'));
  return rows.map((row) => Number(row['no']));
}

/** Names of holders. @param isFormer those that have lost their place */
export function keyHolders(db: DatabaseSync, isFormer = false): string[] {
  const sql = 'SELECT name FROM key_holders WHERE is_former = ? ORDER BY name';
  return statementOf(db, sql)
    .all(Number(isFormer))
    .map((row) => String(row['name']));
}

export function setKeyHolder(db: DatabaseSync, name: string, isFormer: boolean): void {
  statementOf(db, 'INSERT OR REPLACE INTO key_holders VALUES (?, ?)').run(name, Number(isFormer));
}

/** Which holders have not confirmed that they erased which keys. */
export function keyErasures(db: DatabaseSync): { readonly no: number; readonly holder: string }[] {
  const rows = statementOf(db, 'SELECT no, holder FROM key_erasures').all();
  return rows.map((row) => ({ no: Number(row['no']), holder: String(row['holder']) }));
}

export function confirmErasure(db: DatabaseSync, no: number, holder: string): void {
  statementOf(db, 'DELETE FROM key_erasures WHERE no = ? AND holder = ?').run(no, holder);
}
