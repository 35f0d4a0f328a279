import type { DatabaseSync, SQLInputValue, SQLOutputValue, StatementSync } from 'node:sqlite';
import { historyKinds } from './type-writer.ts';
import { tablesOf } from './layout.ts';
import type { TypeLayout } from './layout.ts';
import { versionColumns, versionOf } from './object-row.ts';
import type { ObjectChange, ObjectVersion } from './object-row.ts';
import { columnValue } from './field-value.ts';
import type { FieldKind } from '../schema/field-marks.ts';
import type { JsonValue } from '@commongrid/crypto';

/** A sequence, or a log time in milliseconds since 1970. */
export type AsOf = { readonly seq: number } | { readonly at: number };

/** Numbers of texts that a reader keeps; beyond it all are forgotten. */
const cachedMax = 10_000;
/** Statements that a reader keeps prepared; beyond it all are forgotten. */
const statementsMax = 500;

type Row = readonly SQLOutputValue[];

/** Reads the file of one namespace on a connection of its own. */
export class NamespaceReader {
  readonly db: DatabaseSync;
  #types = new Map<string, TypeLayout>();
  #schemaVersion: unknown;
  readonly #texts = new Map<number, string>();
  readonly #statements = new Map<string, StatementSync>();
  readonly #text: StatementSync;
  readonly #schemaStatement: StatementSync;

  constructor(db: DatabaseSync) {
    this.db = db;
    this.#text = db.prepare('SELECT text FROM _texts WHERE id = ?');
    this.#schemaStatement = db.prepare('PRAGMA schema_version');
    db.function('bcdb_key', { deterministic: true }, (kind, value) =>
      columnValue(String(kind) as FieldKind, plainValue(String(kind) as FieldKind, value)),
    );
  }

  /** The layout of a type as it is now. */
  layout(url: string): TypeLayout | undefined {
    const version = this.#schemaStatement.get()?.['schema_version'];
    if (version !== this.#schemaVersion) this.#loadTypes();
    this.#schemaVersion = version;
    return this.#types.get(url);
  }

  layouts(): readonly TypeLayout[] {
    this.#loadTypes();
    return [...this.#types.values()];
  }

  /** Canonical text of the newest schema of a type. */
  schemaText(url: string): string | undefined {
    const row = this.db.prepare('SELECT schema FROM _types WHERE url = ?').get(url);
    return typeof row?.['schema'] === 'string' ? row['schema'] : undefined;
  }

  /** The current version: one look-up, after the first call for its type. */
  get(url: string, obj: string): ObjectVersion | undefined {
    if (!this.#types.has(url)) this.#loadTypes();
    const type = this.#types.get(url);
    if (type === undefined) return undefined;
    const { current } = tablesOf(type.id);
    const row = this.row(`SELECT ${versionColumns} FROM ${current} WHERE obj = ?`, obj);
    return row && this.version(url, row);
  }

  /** The version that was current at a sequence. */
  getAsOf(url: string, obj: string, seq: number): ObjectVersion | undefined {
    const now = this.get(url, obj);
    if (now !== undefined && now.seq <= seq) return now;
    const type = this.#types.get(url);
    if (type === undefined) return undefined;
    const { history } = tablesOf(type.id);
    const row = this.row(
      `SELECT ${versionColumns}, kind, seq_to FROM ${history}
        WHERE obj = ? AND seq <= ? ORDER BY seq DESC LIMIT 1`,
      obj,
      seq,
    );
    if (row === undefined || row[8] !== historyKinds.put || Number(row[9]) <= seq) return undefined;
    return this.version(url, row);
  }

  /** Versions of an object below `before`, the newest first. */
  history(url: string, obj: string, before: number, limit: number): readonly ObjectChange[] {
    const type = this.layout(url);
    if (type === undefined) return [];
    const { current, history } = tablesOf(type.id);
    const rows = this.rows(
      `SELECT ${versionColumns}, ${historyKinds.put} AS kind FROM ${current}
          WHERE obj = ?1 AND seq < ?2
        UNION ALL SELECT ${versionColumns}, kind FROM ${history} WHERE obj = ?1 AND seq < ?2
        ORDER BY seq DESC LIMIT ?3`,
      obj,
      before,
      limit,
    );
    return rows.map((row) => this.change(url, row));
  }

  /** Changes from a sequence on, in their order; of one type, or of all. All of the last one. */
  changes(url: string | undefined, from: number, limit: number): readonly ObjectChange[] {
    const type = url === undefined ? undefined : this.layout(url);
    if (url !== undefined && type === undefined) return [];
    const ofType = type === undefined ? [] : [type.id];
    const select = `SELECT seq, type, id FROM _feed
      WHERE seq >= ? AND seq <= ? ${type === undefined ? '' : 'AND type = ?'}
      ORDER BY seq, type LIMIT ?`;
    const page = this.rows(select, from, Number.MAX_SAFE_INTEGER, ...ofType, limit);
    const last = Number(page.at(-1)?.[0] ?? from);
    // One record can change two types; a page does not end between them.
    const entries =
      page.length < limit
        ? page
        : [
            ...page.filter(([seq]) => Number(seq) < last),
            ...this.rows(select, last, last, ...ofType, -1),
          ];
    const types = new Map(this.layouts().map((layout) => [layout.id, layout]));
    return entries.flatMap(([seq, typeId, id]) => {
      const layout = types.get(Number(typeId));
      return (layout && this.#changeAt(layout, Number(seq), Number(id))) ?? [];
    });
  }

  /** The last sequence at or before a point of time; -1 before the first. */
  sequenceAt(asOf: AsOf): number {
    if ('seq' in asOf) return asOf.seq;
    const row = this.row('SELECT seq FROM _times WHERE at <= ? ORDER BY at DESC LIMIT 1', asOf.at);
    return row === undefined ? -1 : Number(row[0]);
  }

  /** Size of the log up to which this file is complete. */
  applied(): number {
    return Number(this.row("SELECT value FROM _meta WHERE key = 'applied'")?.[0] ?? 0);
  }

  row(sql: string, ...values: SQLInputValue[]): Row | undefined {
    return this.#statement(sql).get(...values) as unknown as Row | undefined;
  }

  rows(sql: string, ...values: SQLInputValue[]): readonly Row[] {
    return this.#statement(sql).all(...values) as unknown as readonly Row[];
  }

  version(url: string, row: Row): ObjectVersion {
    return versionOf(url, row, (id) => this.#textOf(id));
  }

  /** A row of `versionColumns` and the kind. */
  change(url: string, row: Row): ObjectChange {
    const kind =
      row[8] === historyKinds.put ? 'put' : row[8] === historyKinds.del ? 'del' : 'erase';
    return { ...this.version(url, row), kind };
  }

  close(): void {
    this.db.close();
  }

  #changeAt({ id: type, url }: TypeLayout, seq: number, id: number): ObjectChange | undefined {
    const { current, history } = tablesOf(type);
    const row =
      this.row(
        `SELECT ${versionColumns}, ${historyKinds.put} FROM ${current} WHERE id = ? AND seq = ?`,
        id,
        seq,
      ) ?? this.row(`SELECT ${versionColumns}, kind FROM ${history} WHERE seq = ?`, seq);
    return row && this.change(url, row);
  }

  #loadTypes(): void {
    const rows = this.rows('SELECT url, layout FROM _types ORDER BY id');
    this.#types = new Map(
      rows.map(([url, layout]) => [String(url), JSON.parse(String(layout)) as TypeLayout]),
    );
  }

  #textOf(id: number): string {
    const known = this.#texts.get(id);
    if (known !== undefined) return known;
    const text = String(this.#text.get(id)?.['text'] ?? '');
    if (this.#texts.size >= cachedMax) this.#texts.clear();
    this.#texts.set(id, text);
    return text;
  }

  #statement(sql: string): StatementSync {
    const known = this.#statements.get(sql);
    if (known !== undefined) return known;
    if (this.#statements.size >= statementsMax) this.#statements.clear();
    const statement = this.db.prepare(sql, { returnArrays: true });
    this.#statements.set(sql, statement);
    return statement;
  }
}

/** What `json_each` gives for a JSON value, as that value. */
function plainValue(kind: FieldKind, value: SQLOutputValue): JsonValue | undefined {
  if (kind === 'boolean') return value === 1 ? true : value === 0 ? false : undefined;
  return typeof value === 'string' || typeof value === 'number' ? value : undefined;
}
