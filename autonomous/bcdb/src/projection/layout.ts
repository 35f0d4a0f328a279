import type { FieldKind, IndexedField } from '../schema/field-marks.ts';
import { columnTypes } from './field-value.ts';

/** A field of a type, and where its values are. */
export interface LayoutField {
  readonly name: string;
  readonly path: readonly string[];
  readonly kind: FieldKind;
  readonly isList: boolean;
  /** Number of its column, or of its entries in the table of lists; never given twice. */
  readonly number: number;
}

/** How the objects of one type lie in the file of their namespace. */
export interface TypeLayout {
  /** Number of the type: part of the names of its tables. */
  readonly id: number;
  readonly url: string;
  readonly indexed: readonly LayoutField[];
  /** Fields that are searched, in order of the columns of the full text table. */
  readonly searched: readonly LayoutField[];
  readonly nextNumber: number;
}

/** Most fields that are indexed for one type over all versions of its schema. */
const layoutFieldsMax = 256;

/**
 * The layout after a newer schema. Fields that lost their mark stay indexed, so that the layout
 * depends on nothing but the schemas in their order.
 */
export function extendLayout(layout: TypeLayout, fields: readonly IndexedField[]): TypeLayout {
  let { nextNumber } = layout;
  const numbered = ({ name, path, kind, isList }: IndexedField): LayoutField => ({
    name,
    path,
    kind,
    isList,
    number: nextNumber++,
  });
  const merge = (former: readonly LayoutField[], now: readonly IndexedField[]): LayoutField[] => {
    const merged = [...former];
    for (const field of now) {
      const at = merged.findIndex(({ name }) => name === field.name);
      const known = merged[at];
      if (known?.kind === field.kind && known.isList === field.isList) continue;
      if (known !== undefined) merged[at] = numbered(field);
      else if (merged.length < layoutFieldsMax) merged.push(numbered(field));
    }
    return merged;
  };
  const indexed = merge(
    layout.indexed,
    fields.filter(({ isIndexed }) => isIndexed),
  );
  const searched = merge(
    layout.searched,
    fields.filter(({ isSearched }) => isSearched),
  );
  return { ...layout, indexed, searched, nextNumber };
}

/** Names of the tables of a type. No name comes from a record, so none needs care. */
export function tablesOf(id: number): {
  readonly current: string;
  readonly history: string;
  readonly lists: string;
  readonly text: string;
} {
  return { current: `_o${id}`, history: `_h${id}`, lists: `_l${id}`, text: `_t${id}` };
}

export function columnOf(field: LayoutField): string {
  return `f${field.number}`;
}

/** Fields with a column of their own, in order. */
export function columnFields(layout: TypeLayout): readonly LayoutField[] {
  return layout.indexed.filter(({ isList }) => !isList);
}

export function listFields(layout: TypeLayout): readonly LayoutField[] {
  return layout.indexed.filter(({ isList }) => isList);
}

/** Tables of a type before any field was marked. */
export function createTypeSql(id: number): string {
  const { current, history, lists } = tablesOf(id);
  const version =
    'origin INTEGER NOT NULL, version TEXT NOT NULL, author INTEGER NOT NULL, ' +
    'at INTEGER NOT NULL, schema INTEGER, payload ANY';
  return `
    CREATE TABLE ${current} (id INTEGER PRIMARY KEY, obj TEXT NOT NULL UNIQUE,
      seq INTEGER NOT NULL, ${version}) STRICT;
    CREATE TABLE ${history} (seq INTEGER PRIMARY KEY, seq_to INTEGER NOT NULL,
      kind INTEGER NOT NULL, obj TEXT NOT NULL, ${version}) STRICT;
    CREATE INDEX ${history}_obj ON ${history} (obj, seq);
    CREATE TABLE ${lists} (field INTEGER NOT NULL, value ANY NOT NULL, id INTEGER NOT NULL,
      PRIMARY KEY (field, value, id)) STRICT, WITHOUT ROWID;
    CREATE INDEX ${lists}_id ON ${lists} (id);`;
}

/** A column of its own for a field, with its index. */
export function addFieldSql(id: number, field: LayoutField): string {
  const { current, history } = tablesOf(id);
  const column = columnOf(field);
  return `
    ALTER TABLE ${current} ADD COLUMN ${column} ${columnTypes[field.kind]};
    ALTER TABLE ${history} ADD COLUMN ${column} ${columnTypes[field.kind]};
    CREATE INDEX ${current}_${column} ON ${current} (${column});`;
}

/** Parts of one level of full text from which on a writer merges them while it writes. */
const textPartsMany = 64;

/** Parts of one level at which a writer merges all of them before it goes on. */
const textPartsMax = 256;

/**
 * The full text table, which keeps words and their places but no texts. Each transaction leaves its
 * words as a part of their own. By default FTS5 merges parts from the fourth on, and takes half of a
 * writer's time for it; `mergeTextSql` does that while nothing waits.
 */
export function createTextSql(layout: TypeLayout): string {
  const { text } = tablesOf(layout.id);
  const columns = layout.searched.map((field) => columnOf(field)).join(', ');
  return `
    DROP TABLE IF EXISTS ${text};
    CREATE VIRTUAL TABLE ${text} USING fts5(${columns}, content = '', contentless_delete = 1,
      tokenize = 'unicode61 remove_diacritics 2');
    INSERT INTO ${text} (${text}, rank)
      VALUES ('automerge', ${textPartsMany}), ('crisismerge', ${textPartsMax});`;
}

/** Pages of full text that one step of merging writes: some milliseconds of work. */
const mergePages = 64;

/** Merges parts of the full text of a type where four or more are of one level; one step of it. */
export function mergeTextSql(id: number): string {
  const { text } = tablesOf(id);
  return `INSERT INTO ${text} (${text}, rank) VALUES ('merge', ${mergePages})`;
}
