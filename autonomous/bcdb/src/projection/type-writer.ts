import type { DatabaseSync, StatementSync } from 'node:sqlite';
import type { JsonValue } from '@commongrid/crypto';
import { fieldColumn, fieldColumns, fieldText } from './field-value.ts';
import type { ColumnValue } from './field-value.ts';
import { columnFields, columnOf, listFields, tablesOf } from './layout.ts';
import type { LayoutField, TypeLayout } from './layout.ts';
import { prepareWrite } from './namespace-file.ts';

/** What is written of one change, whatever its kind. */
export interface ChangeRow {
  readonly obj: string;
  readonly seq: number;
  readonly origin: number;
  readonly version: string;
  /** Numbers of texts. */
  readonly author: number;
  readonly at: number;
  readonly schema: number | null;
}

/** A payload as it is stored, and its value where BCDB can read it. */
export interface StoredPayload {
  readonly stored: string | Uint8Array | null;
  readonly value: JsonValue | undefined;
}

/** Kinds of rows in a history. */
export const historyKinds = { put: 0, del: 1, erase: 2 } as const;

/** Prepared statements for the tables of one type. Made anew when its layout changes. */
export class TypeWriter {
  readonly layout: TypeLayout;
  readonly #columns: readonly LayoutField[];
  readonly #lists: readonly LayoutField[];
  readonly #insert: StatementSync;
  readonly #update: StatementSync;
  readonly #find: StatementSync;
  readonly #retire: StatementSync;
  readonly #remove: StatementSync;
  readonly #mark: StatementSync;
  readonly #blank: StatementSync;
  readonly #insertList: StatementSync;
  readonly #removeLists: StatementSync;
  readonly #insertText: StatementSync | undefined;
  readonly #removeText: StatementSync | undefined;

  constructor(db: DatabaseSync, layout: TypeLayout) {
    this.layout = layout;
    this.#columns = columnFields(layout);
    this.#lists = listFields(layout);
    const { current, history, lists, text } = tablesOf(layout.id);
    const fields = this.#columns.map((field) => columnOf(field));
    const names = ['seq', 'origin', 'version', 'author', 'at', 'schema', 'payload', ...fields];
    const all = names.join(', ');
    this.#insert = prepareWrite(
      db,
      `INSERT INTO ${current} (${all}, obj)
      VALUES (${names.map(() => '?').join(', ')}, ?) ON CONFLICT (obj) DO NOTHING`,
    );
    this.#update = prepareWrite(
      db,
      `UPDATE ${current} SET ${names.map((name) => `${name} = ?`).join(', ')} WHERE id = ?`,
    );
    this.#find = prepareWrite(db, `SELECT id FROM ${current} WHERE obj = ?`);
    this.#retire = prepareWrite(
      db,
      `INSERT INTO ${history} (${all}, obj, seq_to, kind)
      SELECT ${all}, obj, ?, ${historyKinds.put} FROM ${current} WHERE id = ?`,
    );
    this.#remove = prepareWrite(db, `DELETE FROM ${current} WHERE id = ?`);
    this.#mark = prepareWrite(
      db,
      `INSERT INTO ${history}
      (seq, seq_to, kind, obj, origin, version, author, at, schema)
      VALUES (?1, ?1, ?, ?, ?, ?, ?, ?, ?)`,
    );
    this.#blank = prepareWrite(
      db,
      `UPDATE ${history}
      SET ${['payload', ...fields].map((name) => `${name} = NULL`).join(', ')} WHERE obj = ?`,
    );
    this.#insertList = prepareWrite(db, `INSERT INTO ${lists} (field, value, id) VALUES (?, ?, ?)`);
    this.#removeLists = prepareWrite(db, `DELETE FROM ${lists} WHERE id = ?`);
    if (layout.searched.length > 0) {
      const searched = layout.searched.map((field) => columnOf(field));
      this.#insertText = prepareWrite(
        db,
        `INSERT INTO ${text} (rowid, ${searched.join(', ')})
        VALUES (?, ${searched.map(() => '?').join(', ')})`,
      );
      this.#removeText = prepareWrite(db, `DELETE FROM ${text} WHERE rowid = ?`);
    }
  }

  /** Makes a new current version; the former one becomes history. Returns the number of the row. */
  put(row: ChangeRow, payload: StoredPayload): number {
    const { value } = payload;
    const fields = this.#columns.map(({ path, kind }) => fieldColumn(value, path, kind));
    const { seq, origin, version, author, at, schema, obj } = row;
    const values: (ColumnValue | Uint8Array)[] = [
      seq,
      origin,
      version,
      author,
      at,
      schema,
      payload.stored,
      ...fields,
    ];
    const { changes, lastInsertRowid } = this.#insert.run(...values, obj);
    let id = Number(lastInsertRowid);
    if (Number(changes) === 0) {
      id = this.#idOf(obj) ?? 0;
      this.#retire.run(seq, id);
      this.#update.run(...values, id);
      this.#unindex(id);
    }
    this.#index(id, value);
    return id;
  }

  /** Ends the current version, if there is one, and notes who did it. */
  delete(row: ChangeRow): void {
    this.#end(row);
    this.#note(row, historyKinds.del);
  }

  /** As `delete`; payloads, fields and words of all versions go too. */
  erase(row: ChangeRow): void {
    this.#end(row);
    this.#blank.run(row.obj);
    this.#note(row, historyKinds.erase);
  }

  /** Writes the entries of an object in tables of lists and words, as its payload has them. */
  #index(id: number, value: JsonValue | undefined): void {
    for (const { number, path, kind } of this.#lists) {
      for (const item of fieldColumns(value, path, kind)) this.#insertList.run(number, item, id);
    }
    this.#insertText?.run(id, ...this.layout.searched.map(({ path }) => fieldText(value, path)));
  }

  #unindex(id: number): void {
    if (this.#lists.length > 0) this.#removeLists.run(id);
    this.#removeText?.run(id);
  }

  #end({ obj, seq }: ChangeRow): void {
    const id = this.#idOf(obj);
    if (id === undefined) return;
    this.#retire.run(seq, id);
    this.#remove.run(id);
    this.#unindex(id);
  }

  #note({ seq, obj, origin, version, author, at, schema }: ChangeRow, kind: number): void {
    this.#mark.run(seq, kind, obj, origin, version, author, at, schema);
  }

  #idOf(obj: string): number | undefined {
    const id = this.#find.get(obj)?.['id'];
    return id === undefined ? undefined : Number(id);
  }
}
