import type { JsonValue } from '@commongrid/crypto';
import { decimalKey } from '../schema/decimal.ts';
import type { FieldKind } from '../schema/field-marks.ts';
import { valueAt } from '../schema/migration.ts';

/** What stands in a column for a value of a field. */
export type ColumnValue = string | number | null;

/** Type of the column of a field, in a STRICT table. */
export const columnTypes: Readonly<Record<FieldKind, 'TEXT' | 'INTEGER' | 'REAL'>> = {
  text: 'TEXT',
  integer: 'INTEGER',
  number: 'REAL',
  boolean: 'INTEGER',
  decimal: 'TEXT',
  date: 'TEXT',
  time: 'INTEGER',
};

/**
 * The form of a value that SQLite orders as BCDB does; null when there is no value of the kind.
 * Never fails: a payload that breaks its schema must not stop the projection.
 */
export function columnValue(kind: FieldKind, value: JsonValue | undefined): ColumnValue {
  switch (kind) {
    case 'text':
    case 'date':
      return typeof value === 'string' ? value : null;
    case 'integer':
      return Number.isSafeInteger(value) ? Number(value) : null;
    case 'number':
      return typeof value === 'number' ? value : null;
    case 'boolean':
      return typeof value === 'boolean' ? Number(value) : null;
    case 'decimal':
      return typeof value === 'string' ? (decimalKey(value) ?? null) : null;
    case 'time':
      return typeof value === 'string' ? (momentOf(value) ?? null) : null;
    default:
      return kind satisfies never;
  }
}

/** The single value of a field in a payload, as its column has it. */
export function fieldColumn(
  payload: JsonValue | undefined,
  path: readonly string[],
  kind: FieldKind,
): ColumnValue {
  return payload === undefined ? null : columnValue(kind, valueAt(payload, path));
}

/** The different values of a list field, as columns have them; at most `listValuesMax`. */
export function fieldColumns(
  payload: JsonValue | undefined,
  path: readonly string[],
  kind: FieldKind,
): readonly (string | number)[] {
  const list = payload === undefined ? undefined : valueAt(payload, path);
  if (!Array.isArray(list)) return [];
  const values = new Set<string | number>();
  for (const item of list as readonly JsonValue[]) {
    const value = columnValue(kind, item);
    if (value !== null && values.size < listValuesMax) values.add(value);
  }
  return [...values];
}

/** Different values of one list that are indexed; those after them are found by a scan only. */
const listValuesMax = 1000;

/** The text of a field that full text search sees: a list is its items, one a line. */
export function fieldText(payload: JsonValue | undefined, path: readonly string[]): string {
  const value = payload === undefined ? undefined : valueAt(payload, path);
  if (typeof value === 'string') return value;
  if (!Array.isArray(value)) return '';
  return value.filter((item) => typeof item === 'string').join('\n');
}

/** Milliseconds since 1970 of an RFC 3339 moment; a leap second is the first of the next minute. */
function momentOf(text: string): number | undefined {
  const [moment = ''] = text.split('[');
  const plain = moment.replace(/(T\d\d:\d\d):60/i, '$1:59').toUpperCase();
  const ms = Date.parse(plain) + (plain === moment.toUpperCase() ? 0 : 1000);
  return Number.isSafeInteger(ms) ? ms : undefined;
}
