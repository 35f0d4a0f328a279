import type { SQLInputValue } from 'node:sqlite';
import { queryInvalid } from './cursor.ts';
import { columnValue } from './field-value.ts';
import { columnFields, columnOf, listFields, tablesOf } from './layout.ts';
import type { LayoutField, TypeLayout } from './layout.ts';
import { jsonPath } from './view-sql.ts';

export type FieldValue = string | number | boolean | null;

/**
 * A condition on objects. Fields are named by their path with dots. Null stands for no value.
 * `contains` asks whether a list holds a value, `prefix` how a text begins.
 */
export type Where =
  | { readonly and: readonly Where[] }
  | { readonly or: readonly Where[] }
  | { readonly not: Where }
  | {
      readonly field: string;
      readonly op: 'eq' | 'ne' | 'lt' | 'lte' | 'gt' | 'gte' | 'prefix' | 'contains';
      readonly value: FieldValue;
    }
  | { readonly field: string; readonly op: 'in'; readonly value: readonly FieldValue[] };

/** Most conditions of a filter. */
const conditionsMax = 100;
/** Most values of one `in`. */
const inValuesMax = 1000;
/** Deepest nesting of `and`, `or` and `not`. */
const whereDepthMax = 16;

/** A piece of SQL and what it binds, in order. */
export interface SqlPart {
  readonly sql: string;
  readonly values: readonly SQLInputValue[];
}

export interface WhereOptions {
  /** Whether fields without an index may be compared, which reads each object. */
  readonly isScan: boolean;
  /** Whether rows of the history are among those asked, whose lists have no table. */
  readonly isPast: boolean;
}

/** @throws BCDB_QUERY_INVALID */
export function whereSql(layout: TypeLayout, where: Where, options: WhereOptions): SqlPart {
  return new WhereWriter(layout, options).write(where, 0);
}

const comparisons = { lt: '<', lte: '<=', gt: '>', gte: '>=' } as const;

class WhereWriter {
  readonly #layout: TypeLayout;
  readonly #options: WhereOptions;
  #count = 0;

  constructor(layout: TypeLayout, options: WhereOptions) {
    this.#layout = layout;
    this.#options = options;
  }

  write(where: Where, depth: number): SqlPart {
    if (++this.#count > conditionsMax || depth > whereDepthMax) {
      throw queryInvalid(`a filter has more than ${conditionsMax} conditions, or is too deep`);
    }
    if (typeof where !== 'object' || where === null) throw queryInvalid('a filter is an object');
    if ('and' in where) return this.#all(where.and, ' AND ', '1', depth);
    if ('or' in where) return this.#all(where.or, ' OR ', '0', depth);
    if ('not' in where) {
      // No value makes a comparison neither true nor false; its opposite shall be true.
      const { sql, values } = this.write(where.not, depth + 1);
      return { sql: `((${sql}) IS NOT TRUE)`, values };
    }
    return this.#condition(where);
  }

  #all(parts: readonly Where[], word: string, none: string, depth: number): SqlPart {
    if (!Array.isArray(parts)) throw queryInvalid('`and` and `or` take a list');
    const written = parts.map((part) => this.write(part, depth + 1));
    if (written.length === 0) return { sql: none, values: [] };
    return {
      sql: `(${written.map(({ sql }) => sql).join(word)})`,
      values: written.flatMap(({ values }) => values),
    };
  }

  #condition(where: Extract<Where, { readonly field: string }>): SqlPart {
    const { field, op, value } = where;
    if (op === 'contains') return this.#contains(field, value);
    const { sql, form } = this.#column(field);
    switch (op) {
      case 'eq':
      case 'ne':
        return { sql: `${sql} IS${op === 'ne' ? ' NOT' : ''} ?`, values: [form(value)] };
      case 'lt':
      case 'lte':
      case 'gt':
      case 'gte':
        return { sql: `${sql} ${comparisons[op]} ?`, values: [form(value)] };
      case 'in': {
        if (!Array.isArray(value) || value.length > inValuesMax) {
          throw queryInvalid(`\`in\` takes a list of at most ${inValuesMax} values`, { field });
        }
        const values = (value as readonly FieldValue[]).map(form);
        return { sql: `${sql} IN (${values.map(() => '?').join(', ')})`, values };
      }
      case 'prefix': {
        if (typeof value !== 'string') throw queryInvalid('a prefix is a text', { field });
        return { sql: `(${sql} >= ? AND ${sql} < ?)`, values: [value, `${value}${lastText}`] };
      }
      default:
        throw queryInvalid('no such comparison', { field, op: op satisfies never });
    }
  }

  #contains(name: string, value: FieldValue): SqlPart {
    const field = listFields(this.#layout).find((one) => one.name === name);
    if (field === undefined)
      throw queryInvalid(`${name} is no list with an index`, { field: name });
    const form = formOf(field)(value);
    if (!this.#options.isPast) {
      const { lists } = tablesOf(this.#layout.id);
      const sql = `id IN (SELECT id FROM ${lists} WHERE field = ? AND value = ?)`;
      return { sql, values: [field.number, form] };
    }
    const path = pathOf(field.path);
    const sql = `EXISTS (SELECT 1 FROM json_each(${jsonPayload}, ?)
      WHERE bcdb_key(?, json_each.value) = ?)`;
    return { sql, values: [path, field.kind, form] };
  }

  #column(name: string): { sql: string; form: (value: unknown) => SQLInputValue } {
    const field = columnFields(this.#layout).find((one) => one.name === name);
    if (field !== undefined) return { sql: columnOf(field), form: formOf(field) };
    if (!this.#options.isScan) {
      throw queryInvalid(`${name} has no index`, { field: name, hint: 'scan: true' });
    }
    const path = pathOf(splitName(name)).replaceAll("'", "''");
    return { sql: `(${jsonPayload} ->> '${path}')`, form: plainForm };
  }
}

/** Sealed payloads have nothing that could be compared. */
const jsonPayload = "CASE typeof(payload) WHEN 'text' THEN payload END";

/** Above every text that begins as the prefix does. */
const lastText = '\u{10FFFF}\u{10FFFF}';

/** The path of a name with dots; a backslash keeps a dot inside a name. */
function splitName(name: string): string[] {
  const steps = name.match(/(?:[^\\.]|\\.)+/gu) ?? [];
  return steps.map((step) => step.replaceAll(/\\(.)/gu, '$1'));
}

function pathOf(path: readonly string[]): string {
  const text = path.length === 0 ? undefined : jsonPath(path);
  if (text === undefined) throw queryInvalid('this name cannot be scanned', { path });
  return text;
}

function formOf({ kind, name }: LayoutField): (value: unknown) => SQLInputValue {
  return (value) => {
    if (value === null) return null;
    const isScalar = ['string', 'number', 'boolean'].includes(typeof value);
    const form = isScalar ? columnValue(kind, value as FieldValue) : null;
    if (form === null) throw queryInvalid(`${name} is compared with a ${kind}`, { field: name });
    return form;
  };
}

function plainForm(value: unknown): SQLInputValue {
  if (typeof value === 'boolean') return Number(value);
  if (value === null || typeof value === 'string' || typeof value === 'number') return value;
  throw queryInvalid('only texts, numbers, true and false can be compared');
}
