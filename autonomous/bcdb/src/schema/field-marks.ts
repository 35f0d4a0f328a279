import { decimalPattern } from './decimal.ts';
import { schemaInvalid } from './schema-invalid.ts';
import { pointer } from './schema-node.ts';
import type { FieldMarks, SchemaNode } from './schema-node.ts';

/**
 * How the values of a field are compared:
 * `text` by code points, `integer`, `number` and `boolean` as such, `decimal` (a text) by its
 * value, `date` (`2026-01-31`) as text, `time` (`date-time`) by its moment in milliseconds.
 */
export type FieldKind = 'text' | 'integer' | 'number' | 'boolean' | 'decimal' | 'date' | 'time';

/** A property that projections index or search. */
export interface IndexedField {
  /** Names from the root to the property. */
  readonly path: readonly string[];
  /** The path with dots; a dot or backslash inside a name is escaped with a backslash. */
  readonly name: string;
  readonly kind: FieldKind;
  readonly isList: boolean;
  readonly isIndexed: boolean;
  readonly isUnique: boolean;
  readonly isSearched: boolean;
  readonly ref: string | undefined;
}

/** Most fields of a schema with an index, and most with full text. */
const indexedFieldsMax = 32;

/**
 * The marked properties of a schema.
 * @throws BCDB_SCHEMA_INVALID for a mark on what has no single order
 */
export function collectFields(root: SchemaNode): readonly IndexedField[] {
  const fields: IndexedField[] = [];
  walk(root, [], '', fields);
  for (const mark of ['isIndexed', 'isSearched'] as const) {
    const count = fields.filter((field) => field[mark]).length;
    if (count > indexedFieldsMax) {
      throw schemaInvalid('', `${count} fields are marked, ${indexedFieldsMax} at most`);
    }
  }
  return fields.toSorted((a, b) => (a.name < b.name ? -1 : 1));
}

/** The name of a path, as filters and errors write it. */
function fieldName(path: readonly string[]): string {
  return path.map((step) => step.replaceAll(/[\\.]/gu, '\\$&')).join('.');
}

function walk(node: SchemaNode, path: string[], place: string, fields: IndexedField[]): void {
  for (const [name, property] of Object.entries(node.properties ?? {})) {
    const here = pointer(pointer(place, 'properties'), name);
    const steps = [...path, name];
    const marks = property['x-bcdb'];
    if (marks !== undefined && hasUse(marks)) fields.push(makeField(property, marks, steps, here));
    walk(property, steps, here, fields);
  }
  const inside: readonly (SchemaNode | undefined)[] = [
    node.items,
    ...(node.anyOf ?? []),
    ...Object.values(node.patternProperties ?? {}),
    typeof node.additionalProperties === 'object' ? node.additionalProperties : undefined,
  ];
  for (const other of inside) if (other !== undefined) refuseMarks(other, place);
}

function makeField(
  node: SchemaNode,
  marks: FieldMarks,
  path: readonly string[],
  place: string,
): IndexedField {
  const isList = node.type === 'array';
  const kind = kindOf(isList ? (node.items ?? {}) : node);
  const isUnique = marks.unique === true;
  const isSearched = marks.fts === true;
  if (kind === undefined)
    throw schemaInvalid(place, 'marks belong to single values and lists of them');
  if (isList && isUnique) throw schemaInvalid(place, 'a list cannot be unique');
  if (isSearched && kind !== 'text') throw schemaInvalid(place, 'only texts are searched');
  const isIndexed = marks.index === true || isUnique;
  const { ref } = marks;
  return { path, name: fieldName(path), kind, isList, isIndexed, isUnique, isSearched, ref };
}

/** `currency` alone asks for nothing of an index. */
function hasUse({ index, unique, fts, ref }: FieldMarks): boolean {
  return index === true || unique === true || fts === true || ref !== undefined;
}

/** Inside a list, map or union an object can have any number of the value, or another one. */
function refuseMarks(node: SchemaNode, place: string): void {
  const { index, unique, fts } = node['x-bcdb'] ?? {};
  if (index === true || unique === true || fts === true) {
    throw schemaInvalid(place, 'a mark inside a list, a map or a union');
  }
  const inside: readonly (SchemaNode | undefined)[] = [
    ...Object.values(node.properties ?? {}),
    node.items,
    ...(node.anyOf ?? []),
    ...Object.values(node.patternProperties ?? {}),
    typeof node.additionalProperties === 'object' ? node.additionalProperties : undefined,
  ];
  for (const other of inside) if (other !== undefined) refuseMarks(other, place);
}

function kindOf(node: SchemaNode): FieldKind | undefined {
  if (node.anyOf !== undefined) return commonKind(node.anyOf.map(kindOfOrNull));
  if (node.type === undefined && node.enum !== undefined) {
    return commonKind(node.enum.map((value) => kindOfOrNull({ const: value })));
  }
  if (node.type === undefined && node.const !== undefined) return commonKind([kindOfOrNull(node)]);
  switch (node.type) {
    case 'string':
      return kindOfText(node);
    case 'integer':
    case 'number':
    case 'boolean':
      return node.type;
    default:
      return undefined;
  }
}

function kindOfOrNull(node: SchemaNode): FieldKind | 'null' | undefined {
  if (node.type === 'null' || node.const === null) return 'null';
  if (node.type !== undefined) return kindOf(node);
  switch (typeof node.const) {
    case 'string':
      return 'text';
    case 'number':
    case 'boolean':
      return typeof node.const as 'number' | 'boolean';
    default:
      return undefined;
  }
}

/** The one kind of a union, null apart. */
function commonKind(kinds: readonly (FieldKind | 'null' | undefined)[]): FieldKind | undefined {
  const [kind, ...others] = new Set(kinds.filter((one) => one !== 'null'));
  return others.length === 0 ? kind : undefined;
}

function kindOfText({ format, pattern }: SchemaNode): FieldKind {
  if (format === 'date') return 'date';
  if (format === 'date-time') return 'time';
  return pattern !== undefined && decimalPattern.test(pattern) ? 'decimal' : 'text';
}
