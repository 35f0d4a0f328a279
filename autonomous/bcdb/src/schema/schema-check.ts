import { isTypeUrl } from '../record/envelope.ts';
import { patternProblem } from './pattern.ts';
import { schemaInvalid } from './schema-invalid.ts';
import { pointer, schemaFormats, schemaTypes } from './schema-node.ts';
import type { FieldMarks, SchemaNode, SchemaType } from './schema-node.ts';

/** Deepest nesting of a schema. */
const schemaDepthMax = 16;

/** Most alternatives of one union, and of all unions and enums of a schema together. */
const alternativesMax = 1024;

/** Longest name of a property, characters. */
const propertyNameLengthMax = 128;

/** Longest text that a payload can hold, characters; bounds patterns without maxLength. */
const textLengthMax = 1 << 20;

/**
 * Checks that a value is a schema of the subset that BCDB takes.
 * @throws BCDB_SCHEMA_INVALID naming the place
 */
export function checkNode(root: unknown): void {
  const check = new SchemaCheck();
  if (!isObject(root) || root['type'] !== 'object') {
    throw schemaInvalid('', 'the root must be of type object');
  }
  check.node(root, '', 0, true);
}

const annotations = ['title', 'description', 'default', 'examples', 'x-bcdb'] as const;

/** Keywords that may stand beside each type. */
const keywordsOf: Readonly<Record<SchemaType | 'anyOf' | 'enum' | 'any', readonly string[]>> = {
  object: [
    'type',
    'properties',
    'required',
    'additionalProperties',
    'patternProperties',
    'minProperties',
    'maxProperties',
  ],
  array: ['type', 'items', 'minItems', 'maxItems', 'uniqueItems'],
  string: ['type', 'const', 'enum', 'minLength', 'maxLength', 'pattern', 'format'],
  integer: [
    'type',
    'const',
    'enum',
    'minimum',
    'maximum',
    'exclusiveMinimum',
    'exclusiveMaximum',
    'multipleOf',
  ],
  number: [
    'type',
    'const',
    'enum',
    'minimum',
    'maximum',
    'exclusiveMinimum',
    'exclusiveMaximum',
    'multipleOf',
  ],
  boolean: ['type', 'const'],
  null: ['type'],
  anyOf: ['anyOf'],
  enum: ['enum', 'const'],
  any: [],
};

const counts = ['minLength', 'maxLength', 'minItems', 'maxItems', 'minProperties', 'maxProperties'];
const numbers = ['minimum', 'maximum', 'exclusiveMinimum', 'exclusiveMaximum', 'multipleOf'];

class SchemaCheck {
  #alternatives = 0;

  node(value: unknown, path: string, depth: number, isRoot = false): void {
    if (!isObject(value)) throw schemaInvalid(path, 'a schema must be an object');
    if (depth > schemaDepthMax) throw schemaInvalid(path, `deeper than ${schemaDepthMax} levels`);
    this.#keywords(value, path, isRoot);
    const node = value as SchemaNode;
    this.#values(node, path);
    this.#text(node, path);
    checkMarks(node, path);
    this.#children(node, path, depth + 1);
  }

  #keywords(node: Readonly<Record<string, unknown>>, path: string, isRoot: boolean): void {
    const allowed = new Set<string>([...annotations, ...keywordsOf[kindOf(node, path)]]);
    for (const [keyword, value] of Object.entries(node)) {
      if (isRoot && ['$schema', '$id'].includes(keyword) && typeof value === 'string') continue;
      if (!allowed.has(keyword)) {
        throw schemaInvalid(pointer(path, keyword), `"${keyword}" is not taken here`);
      }
      if (counts.includes(keyword) && !(Number.isSafeInteger(value) && Number(value) >= 0)) {
        throw schemaInvalid(pointer(path, keyword), 'a count must be a whole number from 0');
      }
      if (numbers.includes(keyword) && typeof value !== 'number') {
        throw schemaInvalid(pointer(path, keyword), 'a bound must be a number');
      }
      if (['title', 'description', 'pattern'].includes(keyword) && typeof value !== 'string') {
        throw schemaInvalid(pointer(path, keyword), 'this must be a text');
      }
    }
    const { multipleOf } = node as SchemaNode;
    if (multipleOf !== undefined && !(Number.isSafeInteger(multipleOf) && multipleOf > 0)) {
      throw schemaInvalid(pointer(path, 'multipleOf'), 'only whole numbers from 1');
    }
  }

  #values(node: SchemaNode, path: string): void {
    if ('const' in node) this.#literal(node.const, node.type, pointer(path, 'const'));
    if (!('enum' in node)) return;
    const { enum: values } = node;
    if (!Array.isArray(values) || values.length === 0) {
      throw schemaInvalid(pointer(path, 'enum'), 'an enum must list its values');
    }
    this.#countAlternatives(values.length, path);
    values.forEach((value, i) =>
      this.#literal(value, node.type, pointer(pointer(path, 'enum'), i)),
    );
  }

  #literal(value: unknown, type: SchemaType | undefined, path: string): void {
    const isFit =
      type === undefined
        ? value === null || ['string', 'number', 'boolean'].includes(typeof value)
        : typeof value === (type === 'integer' ? 'number' : type);
    if (!isFit) throw schemaInvalid(path, 'this value is not of the type');
  }

  #text(node: SchemaNode, path: string): void {
    const { pattern, format } = node;
    if (format !== undefined && !schemaFormats.includes(format)) {
      throw schemaInvalid(pointer(path, 'format'), `known are ${schemaFormats.join(', ')}`);
    }
    // All keywords are tried on a text that breaks one, so maxLength cannot bound a pattern here.
    const problem = pattern === undefined ? undefined : patternProblem(pattern, textLengthMax);
    if (problem !== undefined) throw schemaInvalid(pointer(path, 'pattern'), problem);
  }

  #children(node: SchemaNode, path: string, depth: number): void {
    this.#properties(node, path, depth);
    this.#map(node, path, depth);
    if (node.type === 'array') {
      const { items } = node;
      if (items === undefined) throw schemaInvalid(path, 'a list needs items');
      this.node(items, pointer(path, 'items'), depth);
    }
    const { uniqueItems } = node;
    if (uniqueItems !== undefined && typeof uniqueItems !== 'boolean') {
      throw schemaInvalid(pointer(path, 'uniqueItems'), 'this must be true or false');
    }
    const { anyOf } = node;
    if (anyOf === undefined) return;
    if (!Array.isArray(anyOf) || anyOf.length === 0) {
      throw schemaInvalid(pointer(path, 'anyOf'), 'a union must list its schemas');
    }
    this.#countAlternatives(anyOf.length, path);
    anyOf.forEach((one, i) => this.node(one, pointer(pointer(path, 'anyOf'), i), depth));
  }

  #properties(node: SchemaNode, path: string, depth: number): void {
    const { properties, required } = node;
    if (properties !== undefined) {
      if (!isObject(properties)) throw schemaInvalid(pointer(path, 'properties'), 'no object');
      for (const [name, property] of Object.entries(properties)) {
        const place = pointer(pointer(path, 'properties'), name);
        if (!isPropertyName(name)) throw schemaInvalid(place, 'not a name for a property');
        this.node(property, place, depth);
      }
    }
    if (required === undefined) return;
    const isList = Array.isArray(required) && new Set(required).size === required.length;
    if (!isList || !required.every((name) => Object.hasOwn(properties ?? {}, name))) {
      throw schemaInvalid(pointer(path, 'required'), 'must list properties, each once');
    }
  }

  #map(node: SchemaNode, path: string, depth: number): void {
    const { additionalProperties: others, patternProperties: patterns } = node;
    if (others !== undefined && typeof others !== 'boolean') {
      this.node(others, pointer(path, 'additionalProperties'), depth);
    }
    if (patterns === undefined) return;
    const place = pointer(path, 'patternProperties');
    const entries = isObject(patterns) ? Object.entries(patterns) : [];
    const [entry] = entries;
    if (entry === undefined || entries.length !== 1 || node.properties !== undefined) {
      throw schemaInvalid(place, 'a map has one pattern, and no properties beside it');
    }
    const problem = patternProblem(entry[0], textLengthMax);
    if (problem !== undefined) throw schemaInvalid(place, problem);
    this.node(entry[1], pointer(place, entry[0]), depth);
  }

  #countAlternatives(count: number, path: string): void {
    this.#alternatives += count;
    if (this.#alternatives > alternativesMax) {
      throw schemaInvalid(path, `more than ${alternativesMax} alternatives in one schema`);
    }
  }
}

function kindOf(node: Readonly<Record<string, unknown>>, path: string): keyof typeof keywordsOf {
  if ('type' in node) {
    const type = schemaTypes.find((known) => known === node['type']);
    if (type === undefined) {
      throw schemaInvalid(pointer(path, 'type'), `known are ${schemaTypes.join(', ')}`);
    }
    return type;
  }
  if ('anyOf' in node) return 'anyOf';
  return 'enum' in node || 'const' in node ? 'enum' : 'any';
}

function checkMarks(node: SchemaNode, path: string): void {
  const marks: unknown = node['x-bcdb'];
  if (marks === undefined) return;
  const place = pointer(path, 'x-bcdb');
  if (!isObject(marks)) throw schemaInvalid(place, 'marks must be an object');
  for (const [name, value] of Object.entries(marks)) {
    if (!isMark(name, value)) {
      throw schemaInvalid(pointer(place, name), 'no such mark, or not with this value');
    }
  }
}

function isMark(name: string, value: unknown): boolean {
  switch (name as keyof FieldMarks) {
    case 'index':
    case 'unique':
    case 'fts':
      return value === true;
    case 'ref':
      return typeof value === 'string' && isTypeUrl(value);
    case 'currency':
      return value === true || (typeof value === 'string' && /^[A-Z]{3}$/.test(value));
    default:
      return false;
  }
}

/**
 * What every object inherits (`toString`, `__proto__`) would seem to be there when it is not; a NUL
 * cannot stand in the text of a statement.
 */
function isPropertyName(name: string): boolean {
  const isLengthFit = name.length > 0 && name.length <= propertyNameLengthMax;
  return isLengthFit && !(name in Object.prototype) && !name.includes('\0');
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
