import type { DatabaseSync } from 'node:sqlite';
import { GridError } from '@commongrid/base';
import type { ZstorErrorCode } from '../errors.ts';

/**
 * Changesets name rows by their primary key, and leave out tables without one. What triggers do
 * would be done again where a changeset is applied.
 * @throws ZSTOR_CATALOG_SCHEMA_INVALID
 */
export function checkTables(db: DatabaseSync): void {
  for (const { type, name, sql } of db.prepare('SELECT type, name, sql FROM sqlite_schema').all()) {
    const what = `${String(type)} ${String(name)}`;
    if (type === 'trigger') throw invalid(what, 'triggers cannot be in the log');
    if (/^CREATE VIRTUAL/i.test(String(sql))) throw invalid(what, 'it is virtual');
    if (/\bAUTOINCREMENT\b/i.test(String(sql)))
      throw invalid(what, 'AUTOINCREMENT has a table of its own');
  }
  for (const { name, type, wr } of db.prepare('PRAGMA main.table_list').all()) {
    if (type !== 'table' || String(name).startsWith('sqlite_') || wr === 1) continue;
    const columns = db.prepare('SELECT * FROM pragma_table_info(?)').all(String(name));
    const keys = columns.filter((column) => column['pk'] !== 0);
    const isRowId = keys.length === 1 && /^integer$/i.test(String(keys[0]?.['type']));
    if (isRowId) continue;
    throw invalid(`table ${String(name)}`, 'it needs an INTEGER PRIMARY KEY, or WITHOUT ROWID');
  }
}

function invalid(what: string, why: string): GridError<ZstorErrorCode> {
  return new GridError('ZSTOR_CATALOG_SCHEMA_INVALID', `${what} cannot be kept: ${why}`, {
    hint: 'change the script that makes it',
  });
}
