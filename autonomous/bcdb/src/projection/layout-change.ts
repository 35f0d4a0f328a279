import type { DatabaseSync } from 'node:sqlite';
import type { JsonValue } from '@commongrid/crypto';
import type { SchemaDocument } from '../schema/schema-document.ts';
import { fieldColumn, fieldColumns, fieldText } from './field-value.ts';
import {
  addFieldSql,
  columnFields,
  columnOf,
  createTextSql,
  extendLayout,
  listFields,
  tablesOf,
} from './layout.ts';
import type { LayoutField, TypeLayout } from './layout.ts';
import { prepareWrite } from './namespace-file.ts';
import { shortName, viewSql } from './view-sql.ts';

/** Rows that are read before their fields are written: a table is not changed under its reader. */
const fillRows = 1000;

/**
 * Brings the tables of a type to a newer schema, and fills in what the objects that are there have
 * in its new fields. Runs inside the transaction of the batch that carries the schema.
 */
export function changeLayout(
  db: DatabaseSync,
  former: TypeLayout,
  document: SchemaDocument | undefined,
): TypeLayout {
  const layout = extendLayout(former, document?.fields ?? []);
  const isNew = (field: LayoutField): boolean => field.number >= former.nextNumber;
  const columns = columnFields(layout).filter(isNew);
  for (const field of columns) db.exec(addFieldSql(layout.id, field));
  const isTextNew = layout.searched.some(isNew);
  if (isTextNew) db.exec(createTextSql(layout));
  fillColumns(db, layout, columns);
  fillLists(db, layout, listFields(layout).filter(isNew));
  if (isTextNew) fillText(db, layout);
  db.exec(viewSql(layout, document?.root, (name) => isFree(db, layout, name)));
  const update = 'UPDATE _types SET layout = ?, schema = coalesce(?, schema) WHERE id = ?';
  prepareWrite(db, update).run(JSON.stringify(layout), document?.text ?? null, layout.id);
  return layout;
}

/** A short name belongs to the first type that it fits. */
function isFree(db: DatabaseSync, layout: TypeLayout, name: string): boolean {
  const urls = db.prepare('SELECT url FROM _types WHERE id < ?').all(layout.id);
  return urls.every(({ url }) => shortName(String(url)) !== name);
}

function fillColumns(db: DatabaseSync, layout: TypeLayout, fields: readonly LayoutField[]): void {
  if (fields.length === 0) return;
  const { current, history } = tablesOf(layout.id);
  const sets = fields.map((field) => `${columnOf(field)} = ?`).join(', ');
  for (const [table, key] of [
    [current, 'id'],
    [history, 'seq'],
  ] as const) {
    const update = prepareWrite(db, `UPDATE ${table} SET ${sets} WHERE ${key} = ?`);
    for (const { id, value } of payloads(db, table, key)) {
      update.run(...fields.map(({ path, kind }) => fieldColumn(value, path, kind)), id);
    }
  }
}

function fillLists(db: DatabaseSync, layout: TypeLayout, fields: readonly LayoutField[]): void {
  if (fields.length === 0) return;
  const { current, lists } = tablesOf(layout.id);
  const insert = prepareWrite(db, `INSERT INTO ${lists} (field, value, id) VALUES (?, ?, ?)`);
  for (const { id, value } of payloads(db, current, 'id')) {
    for (const { number, path, kind } of fields) {
      for (const item of fieldColumns(value, path, kind)) insert.run(number, item, id);
    }
  }
}

function fillText(db: DatabaseSync, layout: TypeLayout): void {
  const { current, text } = tablesOf(layout.id);
  const columns = layout.searched.map((field) => columnOf(field));
  const insert = prepareWrite(
    db,
    `INSERT INTO ${text} (rowid, ${columns.join(', ')})
    VALUES (?, ${columns.map(() => '?').join(', ')})`,
  );
  for (const { id, value } of payloads(db, current, 'id')) {
    insert.run(id, ...layout.searched.map(({ path }) => fieldText(value, path)));
  }
}

/** All readable payloads of a table, by the number of their row. */
function* payloads(
  db: DatabaseSync,
  table: string,
  key: 'id' | 'seq',
): Generator<{ readonly id: number; readonly value: JsonValue }> {
  const select = db.prepare(`SELECT ${key} AS id, payload FROM ${table}
    WHERE ${key} > ? AND typeof(payload) = 'text' ORDER BY ${key} LIMIT ${fillRows}`);
  let last = -1;
  for (;;) {
    const rows = select.all(last);
    for (const row of rows) {
      const value = jsonOf(row['payload']);
      if (value !== undefined) yield { id: Number(row['id']), value };
    }
    if (rows.length < fillRows) return;
    last = Number(rows.at(-1)?.['id']);
  }
}

function jsonOf(text: unknown): JsonValue | undefined {
  try {
    return JSON.parse(String(text)) as JsonValue;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
