import { constants, DatabaseSync } from 'node:sqlite';
import type { SQLInputValue, SQLOutputValue } from 'node:sqlite';
import { GridError, isGridError } from '@commongrid/base';
import type { BcdbErrorCode } from '../errors.ts';
import { decimalKey } from '../schema/decimal.ts';
import { busyTimeoutMs } from './namespace-file.ts';

export interface SqlLimits {
  /** Most rows of a result. Default 10,000. */
  readonly rowsMax: number;
  /** Most bytes of texts, blobs and numbers in a result. Default 16 MiB. */
  readonly bytesMax: number;
}

const sqlLimits: SqlLimits = { rowsMax: 10_000, bytesMax: 16 << 20 };

/** Longest statement, characters. */
export const sqlLengthMax = 64 * 1024;
/** Most values that a statement binds. */
export const sqlParametersMax = 1000;

export interface SqlResult {
  readonly columns: readonly string[];
  readonly rows: readonly (readonly SQLOutputValue[])[];
}

/** What a value may be that a statement binds. */
export type SqlParameter = SQLInputValue;

/**
 * Runs one statement that only reads, on a connection of its own. Three locks: the connection is
 * read-only, `query_only` is set, and the authorizer lets pass nothing but reading and functions.
 * Time is not bounded here: whoever needs that ends the process.
 * @throws BCDB_SQL_REFUSED, BCDB_SQL_LIMIT
 */
export function runSql(
  path: string,
  sql: string,
  parameters: readonly SqlParameter[],
  limits: SqlLimits = sqlLimits,
): SqlResult {
  if (sql.length > sqlLengthMax || parameters.length > sqlParametersMax) {
    throw limit(`a statement has at most ${sqlLengthMax} characters, ${sqlParametersMax} values`);
  }
  try {
    using db = openGuarded(path);
    const statement = db.prepare(sql, { returnArrays: true, readBigInts: true });
    // SQLite reads the first statement and leaves the rest; whoever wrote more meant it to run.
    if (sql.slice(statement.sourceSQL.length).trim() !== '')
      throw refused('more than one statement');
    const columns = statement.columns().map(({ name }) => name);
    const rows: SQLOutputValue[][] = [];
    let bytes = 0;
    for (const row of statement.iterate(...parameters) as Iterable<unknown>) {
      const values = (row as SQLOutputValue[]).map(plainNumber);
      bytes += values.reduce<number>((sum, value) => sum + sizeOf(value), 0);
      rows.push(values);
      if (rows.length > limits.rowsMax) throw limit(`more than ${limits.rowsMax} rows`);
      if (bytes > limits.bytesMax) throw limit(`more than ${limits.bytesMax} bytes`);
    }
    return { columns, rows };
  } catch (error) {
    if (isGridError(error)) throw error;
    throw refused(error instanceof Error ? error.message : String(error), error);
  }
}

function openGuarded(path: string): DatabaseSync {
  const db = new DatabaseSync(path, {
    readOnly: true,
    timeout: busyTimeoutMs,
    defensive: true,
    limits: { length: sqlLimits.bytesMax, attach: 0, sqlLength: sqlLengthMax * 4 },
  });
  db.exec('PRAGMA query_only = ON; PRAGMA trusted_schema = ON; PRAGMA cache_size = -16384');
  db.function('decimal_key', { deterministic: true }, (text) => decimalKey(String(text)) ?? null);
  db.setAuthorizer((action, first, second) => {
    const isRead = readingActions.has(action) && !refusedFunctions.has(second?.toLowerCase() ?? '');
    // What full text search asks of its connection by itself.
    const isOwn = action === constants.SQLITE_PRAGMA && first === 'data_version';
    return isRead || isOwn ? constants.SQLITE_OK : constants.SQLITE_DENY;
  });
  return db;
}

const readingActions = new Set<number>([
  constants.SQLITE_SELECT,
  constants.SQLITE_READ,
  constants.SQLITE_FUNCTION,
  constants.SQLITE_RECURSIVE,
]);

/** Functions that load code, or take pointers. */
const refusedFunctions = new Set(['load_extension', 'fts3_tokenizer', 'fts5', 'sqlite_log']);

/** Whole numbers come as bigint, so that none is rounded; those that fit become numbers. */
function plainNumber(value: SQLOutputValue): SQLOutputValue {
  if (typeof value !== 'bigint') return value;
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}

function sizeOf(value: SQLOutputValue): number {
  if (typeof value === 'string') return value.length;
  return value instanceof Uint8Array ? value.length : 8;
}

function refused(message: string, cause?: unknown): GridError<BcdbErrorCode> {
  return new GridError('BCDB_SQL_REFUSED', message, {
    hint: 'one SELECT; its tables are listed by SELECT name FROM sqlite_schema',
    cause,
  });
}

export function limit(message: string): GridError<BcdbErrorCode> {
  return new GridError('BCDB_SQL_LIMIT', message, { hint: 'narrow it with WHERE or LIMIT' });
}
