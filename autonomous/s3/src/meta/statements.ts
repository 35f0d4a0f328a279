import type { DatabaseSync, SQLInputValue } from 'node:sqlite';

import { statementOf } from '@commongrid/zstor';

export type Row = Readonly<Record<string, unknown>>;

/** The first row; undefined when there is none. `sql` must be a text of the source. */
export function rowOf(
  db: DatabaseSync,
  sql: string,
  ...values: readonly SQLInputValue[]
): Row | undefined {
  return statementOf(db, sql).get(...values);
}

export function rowsOf(
  db: DatabaseSync,
  sql: string,
  ...values: readonly SQLInputValue[]
): readonly Row[] {
  return statementOf(db, sql).all(...values);
}

/** The rows one by one: those that are not asked for are not read. */
export function eachRow(
  db: DatabaseSync,
  sql: string,
  ...values: readonly SQLInputValue[]
): Iterable<Row> {
  return statementOf(db, sql).iterate(...values);
}

/** Alters rows. @returns how many */
export function alter(db: DatabaseSync, sql: string, ...values: readonly SQLInputValue[]): number {
  return Number(statementOf(db, sql).run(...values).changes);
}

/** A column that may be NULL. */
export function numberOf(column: unknown): number | undefined {
  return column === null || column === undefined ? undefined : Number(column);
}

/** A column that may be NULL. */
export function textOf(column: unknown): string | undefined {
  return typeof column === 'string' ? column : undefined;
}
