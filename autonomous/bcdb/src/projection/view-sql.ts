import type { SchemaNode } from '../schema/schema-node.ts';
import { columnFields, columnOf, tablesOf } from './layout.ts';
import type { LayoutField, TypeLayout } from './layout.ts';

/** Most properties of a schema that a view shows besides those with an index. */
const viewPropertiesMax = 200;

/**
 * Views of a type for people who write SQL: one under its url, and one under a short name when
 * `isFree` says that nobody has it: `net.example.contact.1` is `contact`, `….contact.2` is
 * `contact_2`; each with the versions beside it under `…_history`.
 */
export function viewSql(
  layout: TypeLayout,
  root: SchemaNode | undefined,
  isFree: (name: string) => boolean,
): string {
  const { current, history } = tablesOf(layout.id);
  const columns = viewColumns(layout, root);
  const shared = `origin, version, ${textOf('author')}, at, ${textOf('schema')}, payload`;
  const rest = [shared, ...columns].join(', ');
  const kind = "CASE kind WHEN 0 THEN 'put' WHEN 1 THEN 'del' ELSE 'erase' END AS kind";
  const names = [layout.url, shortName(layout.url)].filter(
    (name) => name === layout.url || (!name.startsWith('sqlite') && isFree(name)),
  );
  return names
    .map(
      (name) => `
    DROP VIEW IF EXISTS ${quoted(name)};
    DROP VIEW IF EXISTS ${quoted(`${name}_history`)};
    CREATE VIEW ${quoted(name)} AS SELECT obj, seq, ${rest} FROM ${current};
    CREATE VIEW ${quoted(`${name}_history`)} AS
      SELECT obj, seq, seq AS seq_from, NULL AS seq_to, 'put' AS kind, ${rest} FROM ${current}
      UNION ALL SELECT obj, seq, seq, seq_to, ${kind}, ${rest} FROM ${history};`,
    )
    .join('');
}

/** `contact` of `net.example.contact.1`, `contact_2` of `net.example.contact.2`. */
export function shortName(url: string): string {
  const [version = '', name = ''] = url.split('.').toReversed();
  return version === '1' ? name : `${name}_${version}`;
}

/** An identifier in SQL. */
export function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

/**
 * The place of a member for the JSON functions of SQLite; undefined for names that their syntax
 * cannot say.
 */
export function jsonPath(path: readonly string[]): string | undefined {
  if (path.some((step) => /["\\\p{Cc}]/u.test(step))) return undefined;
  return `$${path.map((step) => `."${step}"`).join('')}`;
}

const fixedColumns = [
  'obj',
  'seq',
  'seq_from',
  'seq_to',
  'kind',
  'origin',
  'version',
  'author',
  'at',
  'schema',
  'payload',
];

function viewColumns(layout: TypeLayout, root: SchemaNode | undefined): string[] {
  // SQLite takes names for equal that differ only in ASCII case.
  const taken = new Set(fixedColumns);
  const columns: string[] = [];
  const add = (expression: string, name: string): void => {
    const key = name.toLowerCase();
    if (taken.has(key)) return;
    taken.add(key);
    columns.push(`${expression} AS ${quoted(name)}`);
  };
  for (const field of columnFields(layout)) {
    const name = field.path.join('_');
    const form = sortForms[field.kind];
    if (form === undefined) add(columnOf(field), name);
    else {
      addJson(field.path, name, add);
      add(columnOf(field), `${name}_${form}`);
    }
  }
  const plain = Object.entries(root?.properties ?? {}).filter(([, node]) => isScalar(node));
  for (const [name] of plain.slice(0, viewPropertiesMax)) addJson([name], name, add);
  return columns;
}

/** Kinds whose column is a form to sort by, and how it is called. */
const sortForms: Partial<Record<LayoutField['kind'], string>> = { decimal: 'key', time: 'ms' };

function addJson(
  path: readonly string[],
  name: string,
  add: (expression: string, name: string) => void,
): void {
  const place = jsonPath(path);
  if (place === undefined) return;
  // A sealed payload is a blob, which the JSON functions would take for their own binary form.
  const literal = `'${place.replaceAll("'", "''")}'`;
  add(`CASE typeof(payload) WHEN 'text' THEN payload ->> ${literal} END`, name);
}

function isScalar(node: SchemaNode): boolean {
  return node.type !== undefined && !['object', 'array', 'null'].includes(node.type);
}

function textOf(column: string): string {
  return `(SELECT text FROM _texts WHERE _texts.id = ${column}) AS ${column}`;
}
