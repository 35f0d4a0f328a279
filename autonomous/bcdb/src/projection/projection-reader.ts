import { queryInvalid, readCursor, writeCursor } from './cursor.ts';
import { findObjects } from './find.ts';
import type { FindQuery, FoundPage } from './find.ts';
import { whereSql } from './find-query.ts';
import type { Where } from './find-query.ts';
import { columnOf, tablesOf } from './layout.ts';
import type { TypeLayout } from './layout.ts';
import { namespaceFile, openReadable } from './namespace-file.ts';
import { NamespaceReader } from './namespace-reader.ts';
import type { AsOf } from './namespace-reader.ts';
import { versionColumns } from './object-row.ts';
import type { ObjectChange, ObjectVersion } from './object-row.ts';
import { textQuery } from './text-query.ts';

export interface SearchQuery {
  readonly text: string;
  /** One type, or all of the namespace. */
  readonly url?: string | undefined;
  /** Only in this field of the type. */
  readonly field?: string | undefined;
  readonly limit?: number | undefined;
  readonly cursor?: string | undefined;
}

/** Most objects of one page, and what a page holds when nothing is said. */
export const pageMax = 1000;
const pageDefault = 100;

/** Files that a reader keeps open. */
const readersMax = 64;

/** Answers from the files of a folder, on connections that never wait for the writer. */
export class ProjectionReader implements Disposable {
  readonly #folder: string;
  readonly #open = new Map<string, NamespaceReader>();

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** The current version of an object, or the one at some point of the log. */
  get(ns: string, url: string, obj: string, asOf?: AsOf): ObjectVersion | undefined {
    const reader = this.#namespace(ns);
    if (reader === undefined) return undefined;
    return asOf === undefined
      ? reader.get(url, obj)
      : reader.getAsOf(url, obj, reader.sequenceAt(asOf));
  }

  /** @throws BCDB_QUERY_INVALID */
  find(ns: string, query: FindQuery): FoundPage {
    const reader = this.#namespace(ns);
    return reader === undefined
      ? { rows: [], cursor: undefined }
      : findObjects(reader, query, pageSize(query.limit));
  }

  /** @throws BCDB_QUERY_INVALID */
  count(ns: string, url: string, where?: Where): number {
    const reader = this.#namespace(ns);
    const layout = reader?.layout(url);
    if (reader === undefined || layout === undefined) return 0;
    const filter = where && whereSql(layout, where, { isScan: false, isPast: false });
    const { current } = tablesOf(layout.id);
    const sql = `SELECT count(*) FROM ${current} WHERE ${filter?.sql ?? '1'}`;
    return Number(reader.row(sql, ...(filter?.values ?? []))?.[0] ?? 0);
  }

  /** Objects whose words match, the best first. @throws BCDB_QUERY_INVALID */
  search(ns: string, query: SearchQuery): FoundPage {
    const match = textQuery(query.text);
    const reader = this.#namespace(ns);
    if (reader === undefined || match === undefined) return { rows: [], cursor: undefined };
    const { text, url, field, cursor } = query;
    const limit = pageSize(query.limit);
    const key = { ns, text, url, field };
    const [rank, type, id] =
      cursor === undefined ? [-Infinity, 0, 0] : readCursor(key, cursor, 3).map(Number);
    const found = searchedLayouts(reader, url).flatMap((layout) => {
      const { text: words, current } = tablesOf(layout.id);
      // A cross join keeps the order: look for the words first, then up each object.
      const sql = `SELECT ${columnsOf('o')}, r, rowid FROM (
          SELECT rowid, bm25(${words}) AS r FROM ${words} WHERE ${words} MATCH ?
        ) CROSS JOIN ${current} o ON o.id = rowid
        WHERE (r, ${layout.id}, rowid) > (?, ?, ?) ORDER BY r, rowid LIMIT ?`;
      return reader
        .rows(sql, inField(layout, field, match), rank ?? 0, type ?? 0, id ?? 0, limit + 1)
        .map((row) => ({ layout, row, rank: Number(row[8]), id: Number(row[9]) }));
    });
    const sorted = found.toSorted(
      (a, b) => a.rank - b.rank || a.layout.id - b.layout.id || a.id - b.id,
    );
    const page = sorted.slice(0, limit);
    const last = page.at(-1);
    const isEnd = sorted.length <= limit || last === undefined;
    return {
      rows: page.map(({ layout, row }) => reader.version(layout.url, row)),
      cursor: isEnd ? undefined : writeCursor(key, [last.rank, last.layout.id, last.id]),
    };
  }

  /** All versions of an object, the newest first; `before` a sequence, to go on. */
  history(
    ns: string,
    url: string,
    obj: string,
    options: { readonly before?: number | undefined; readonly limit?: number | undefined } = {},
  ): readonly ObjectChange[] {
    const { before = Number.MAX_SAFE_INTEGER, limit } = options;
    return this.#namespace(ns)?.history(url, obj, before, pageSize(limit)) ?? [];
  }

  /** Changes from a sequence on, and the size of the log up to which there are no others. */
  changes(
    ns: string,
    options: {
      readonly url?: string | undefined;
      readonly from: number;
      readonly limit?: number | undefined;
    },
  ): { readonly changes: readonly ObjectChange[]; readonly size: number } {
    const reader = this.#namespace(ns);
    if (reader === undefined) return { changes: [], size: 0 };
    const limit = pageSize(options.limit);
    // Read first: what is applied meanwhile is seen again, never left out.
    const size = reader.applied();
    const changes = reader.changes(options.url, options.from, limit);
    const last = changes.at(-1);
    if (changes.length < limit || last === undefined) return { changes, size };
    return { changes, size: last.seq + 1 };
  }

  /** Types with objects or a schema in a namespace. */
  types(ns: string): readonly { readonly url: string; readonly schema: string | undefined }[] {
    const reader = this.#namespace(ns);
    if (reader === undefined) return [];
    return reader.layouts().map(({ url }) => ({ url, schema: reader.schemaText(url) }));
  }

  /** Closes the file of a namespace, which will be opened again: it was made anew. */
  forget(ns: string): void {
    this.#open.get(ns)?.close();
    this.#open.delete(ns);
  }

  close(): void {
    for (const reader of this.#open.values()) reader.close();
    this.#open.clear();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #namespace(ns: string): NamespaceReader | undefined {
    const known = this.#open.get(ns);
    if (known !== undefined) return known;
    const db = openReadable(namespaceFile(this.#folder, ns));
    if (db === undefined) return undefined;
    const [oldest] = this.#open.keys();
    if (this.#open.size >= readersMax && oldest !== undefined) this.forget(oldest);
    const reader = new NamespaceReader(db);
    this.#open.set(ns, reader);
    return reader;
  }
}

function searchedLayouts(reader: NamespaceReader, url: string | undefined): readonly TypeLayout[] {
  const layouts = url === undefined ? reader.layouts() : [reader.layout(url)];
  return layouts.filter(
    (layout): layout is TypeLayout => layout !== undefined && layout.searched.length > 0,
  );
}

function inField(layout: TypeLayout, name: string | undefined, match: string): string {
  if (name === undefined) return match;
  const field = layout.searched.find((one) => one.name === name);
  if (field === undefined) throw queryInvalid(`${name} is not searched`, { field: name });
  return `${columnOf(field)} : (${match})`;
}

function columnsOf(table: string): string {
  return versionColumns
    .split(', ')
    .map((column) => `${table}.${column}`)
    .join(', ');
}

function pageSize(limit: number | undefined): number {
  if (limit === undefined) return pageDefault;
  if (!Number.isSafeInteger(limit) || limit < 1 || limit > pageMax) {
    throw queryInvalid(`a page holds 1 to ${pageMax} objects`, { limit });
  }
  return limit;
}
