import { queryInvalid, readCursor, writeCursor } from './cursor.ts';
import { whereSql } from './find-query.ts';
import type { SqlPart, Where } from './find-query.ts';
import { columnFields, columnOf, tablesOf } from './layout.ts';
import type { TypeLayout } from './layout.ts';
import type { AsOf, NamespaceReader } from './namespace-reader.ts';
import { versionColumns } from './object-row.ts';
import type { ObjectVersion } from './object-row.ts';
import { historyKinds } from './type-writer.ts';

export interface FindQuery {
  readonly url: string;
  readonly where?: Where | undefined;
  /** A field with an index. By id when absent. Objects without the field come first. */
  readonly orderBy?: { readonly field: string; readonly direction?: 'asc' | 'desc' } | undefined;
  /** Objects of a page. Default 100, at most 1000. */
  readonly limit?: number | undefined;
  /** Of the page before, of the same query. */
  readonly cursor?: string | undefined;
  /** As it was then. Reads all objects and their history. */
  readonly asOf?: AsOf | undefined;
  /**
   * Also compare fields without an index. Each page reads at most `scanRowsMax` objects, so that it
   * can have fewer than `limit`, even none, and still a cursor. By id only.
   */
  readonly scan?: boolean | undefined;
}

export interface FoundPage {
  readonly rows: readonly ObjectVersion[];
  /** Gives the next page; undefined at the end. */
  readonly cursor: string | undefined;
}

/** Most objects that one page of a scan reads. */
const scanRowsMax = 10_000;

/** What the queries of one `find` share. */
interface FindPlan {
  readonly layout: TypeLayout;
  /** A table or a subquery, and what it binds. */
  readonly source: SqlPart;
  readonly filter: SqlPart;
  /** Column that is the order; the object id when undefined. */
  readonly column: string | undefined;
  /** Decides between equal values: the number of the row, or the object id in the past. */
  readonly tie: 'id' | 'obj';
  readonly isDescending: boolean;
}

/** Objects of a type in order. @throws BCDB_QUERY_INVALID */
export function findObjects(reader: NamespaceReader, query: FindQuery, limit: number): FoundPage {
  const layout = reader.layout(query.url);
  if (layout === undefined) return { rows: [], cursor: undefined };
  const { url, where, orderBy, asOf, scan = false, cursor } = query;
  const plan = planOf(reader, layout, query);
  const key = { url, where, orderBy, asOf, scan };
  if (scan) return scanObjects(reader, plan, limit, key, cursor);
  const rows =
    plan.column === undefined
      ? rowsById(reader, plan, limit + 1, cursor && String(readCursor(key, cursor, 1)[0]))
      : rowsByField(reader, plan, limit + 1, cursor && readCursor(key, cursor, 2));
  const page = rows.slice(0, limit);
  const last = page.at(-1);
  const isEnd = rows.length <= limit || last === undefined;
  const place =
    plan.column === undefined ? [keyOf(last?.[0])] : [keyOf(last?.[8]), keyOf(last?.[9])];
  return {
    rows: page.map((row) => reader.version(url, row)),
    cursor: isEnd ? undefined : writeCursor(key, place),
  };
}

function planOf(reader: NamespaceReader, layout: TypeLayout, query: FindQuery): FindPlan {
  const { where, orderBy, asOf, scan = false } = query;
  const isPast = asOf !== undefined;
  if (scan && orderBy !== undefined) throw queryInvalid('a scan is ordered by id');
  const field = columnFields(layout).find(({ name }) => name === orderBy?.field);
  if (orderBy !== undefined && field === undefined) {
    throw queryInvalid(`${orderBy.field} has no index to order by`, { field: orderBy.field });
  }
  return {
    layout,
    source: isPast ? pastSource(layout, reader.sequenceAt(asOf)) : currentSource(layout),
    filter:
      where === undefined
        ? { sql: '1', values: [] }
        : whereSql(layout, where, { isScan: scan, isPast }),
    column: field && columnOf(field),
    tie: isPast ? 'obj' : 'id',
    isDescending: orderBy?.direction === 'desc',
  };
}

type Rows = ReturnType<NamespaceReader['rows']>;

function rowsById(
  reader: NamespaceReader,
  { source, filter }: FindPlan,
  limit: number,
  after = '',
): Rows {
  return reader.rows(
    `SELECT ${versionColumns} FROM ${source.sql}
      WHERE obj > ? AND ${filter.sql} ORDER BY obj LIMIT ?`,
    ...source.values,
    after,
    ...filter.values,
    limit,
  );
}

/** Objects without the field and those with it are two runs: one comparison cannot span null. */
function rowsByField(
  reader: NamespaceReader,
  plan: FindPlan,
  limit: number,
  cursor: readonly (string | number | null)[] | '' | undefined,
): Rows {
  const { isDescending } = plan;
  const [value, tie] = cursor || [];
  const runs = isDescending ? (['value', 'null'] as const) : (['null', 'value'] as const);
  const hasBegun = tie !== undefined;
  const first = hasBegun && (value === null) !== isDescending ? 0 : hasBegun ? 1 : 0;
  const found = [];
  for (const [index, run] of runs.entries()) {
    if (index < first || found.length >= limit) continue;
    const after = hasBegun && index === first ? [value ?? null, tie] : undefined;
    found.push(...runOf(reader, plan, run, after, limit - found.length));
  }
  return found;
}

function runOf(
  reader: NamespaceReader,
  { source, filter, column = 'obj', tie, isDescending }: FindPlan,
  run: 'null' | 'value',
  after: readonly (string | number | null)[] | undefined,
  limit: number,
): Rows {
  const sign = isDescending ? '<' : '>';
  const order = isDescending ? 'DESC' : 'ASC';
  const begin: SqlPart =
    after === undefined
      ? { sql: '1', values: [] }
      : run === 'null'
        ? { sql: `${tie} ${sign} ?`, values: [keyOf(after[1])] }
        : { sql: `(${column}, ${tie}) ${sign} (?, ?)`, values: [keyOf(after[0]), keyOf(after[1])] };
  return reader.rows(
    `SELECT ${versionColumns}, ${column}, ${tie} FROM ${source.sql}
      WHERE ${column} IS ${run === 'null' ? '' : 'NOT '}NULL AND ${begin.sql} AND ${filter.sql}
      ORDER BY ${run === 'null' ? '' : `${column} ${order}, `}${tie} ${order} LIMIT ?`,
    ...source.values,
    ...begin.values,
    ...filter.values,
    limit,
  );
}

/** The inner query bounds what is read, the outer one picks from it. */
function scanObjects(
  reader: NamespaceReader,
  { layout, source, filter }: FindPlan,
  limit: number,
  key: unknown,
  cursor: string | undefined,
): FoundPage {
  const after = cursor === undefined ? '' : String(readCursor(key, cursor, 1)[0]);
  const inner = `(SELECT * FROM ${source.sql} WHERE obj > ? ORDER BY obj LIMIT ${scanRowsMax})`;
  const rows = reader.rows(
    `SELECT ${versionColumns} FROM ${inner} WHERE ${filter.sql} ORDER BY obj LIMIT ?`,
    ...source.values,
    after,
    ...filter.values,
    limit + 1,
  );
  const page = rows.slice(0, limit);
  const found = page.map((row) => reader.version(layout.url, row));
  if (rows.length > limit)
    return { rows: found, cursor: writeCursor(key, [keyOf(page.at(-1)?.[0])]) };
  const end = reader.row(
    `SELECT max(obj), count(*) FROM (SELECT obj FROM ${source.sql} WHERE obj > ?
      ORDER BY obj LIMIT ${scanRowsMax})`,
    ...source.values,
    after,
  );
  const isEnd = Number(end?.[1] ?? 0) < scanRowsMax;
  return { rows: found, cursor: isEnd ? undefined : writeCursor(key, [keyOf(end?.[0])]) };
}

function currentSource({ id }: TypeLayout): SqlPart {
  return { sql: tablesOf(id).current, values: [] };
}

function pastSource(layout: TypeLayout, seq: number): SqlPart {
  const { current, history } = tablesOf(layout.id);
  const columns = [versionColumns, ...columnFields(layout).map((field) => columnOf(field))].join(
    ', ',
  );
  return {
    sql: `(SELECT ${columns} FROM ${current} WHERE seq <= ?
      UNION ALL SELECT ${columns} FROM ${history}
        WHERE kind = ${historyKinds.put} AND seq <= ? AND seq_to > ?)`,
    values: [seq, seq, seq],
  };
}

function keyOf(value: unknown): string | number | null {
  return typeof value === 'string' || typeof value === 'number' ? value : null;
}
