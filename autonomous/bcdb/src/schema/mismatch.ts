import { Check } from 'typebox/schema';
import type { XSchema } from 'typebox/schema';
import { pointer } from './schema-node.ts';
import type { SchemaNode } from './schema-node.ts';

/** Where a value breaks a schema, and what would be right there. */
export interface Mismatch {
  /** JSON Pointer. */
  readonly path: string;
  readonly expected: string;
}

/** The first place, from the outside in, where a value breaks a schema. */
export function firstMismatch(node: SchemaNode, value: unknown, path = ''): Mismatch | undefined {
  if (accepts(node, value)) return undefined;
  if (node.anyOf !== undefined) return { path, expected: describe(node) };
  if (node.type === 'object' && isObject(value)) return objectMismatch(node, value, path);
  if (node.type === 'array' && Array.isArray(value)) return arrayMismatch(node, value, path);
  return { path, expected: describe(node) };
}

/** What a schema takes, in words. */
function describe(node: SchemaNode): string {
  if (node.anyOf !== undefined) return listed(node.anyOf.map(describe));
  if (node.enum !== undefined) return listed(node.enum.map((value) => JSON.stringify(value)));
  if (node.const !== undefined) return JSON.stringify(node.const);
  const bounds = Object.entries(node).flatMap(([keyword, bound]) => {
    const phrase = phrases[keyword];
    return phrase === undefined ? [] : [phrase.replace('#', String(bound))];
  });
  const noun = node.type === undefined ? 'any value' : nouns[node.type];
  return [noun, ...bounds].join(', ');
}

const nouns = {
  object: 'an object',
  array: 'a list',
  string: 'a text',
  integer: 'a whole number',
  number: 'a number',
  boolean: 'true or false',
  null: 'null',
} as const;

const phrases: Readonly<Record<string, string>> = {
  minLength: 'at least # characters',
  maxLength: 'at most # characters',
  pattern: 'of the pattern #',
  format: 'of the form #',
  minimum: '# or more',
  maximum: '# or less',
  exclusiveMinimum: 'more than #',
  exclusiveMaximum: 'less than #',
  multipleOf: 'a multiple of #',
  minItems: 'at least # items',
  maxItems: 'at most # items',
  minProperties: 'at least # members',
  maxProperties: 'at most # members',
};

/** Longest list of alternatives in a message; the rest is counted. */
const listedMax = 8;

function listed(texts: readonly string[]): string {
  const shown = texts.slice(0, listedMax).join(' or ');
  return texts.length > listedMax ? `${shown} or ${texts.length - listedMax} others` : shown;
}

function objectMismatch(
  node: SchemaNode,
  value: Readonly<Record<string, unknown>>,
  path: string,
): Mismatch {
  const { properties = {}, required = [], patternProperties = {} } = node;
  const missing = required.find((name) => !Object.hasOwn(value, name));
  if (missing !== undefined) {
    const expected = describe(properties[missing] ?? {});
    return { path: pointer(path, missing), expected: `${expected} (it is missing)` };
  }
  const [pattern, ofPattern] = Object.entries(patternProperties)[0] ?? [];
  const key = pattern === undefined ? undefined : new RegExp(pattern, 'u');
  for (const [name, member] of Object.entries(value)) {
    const place = pointer(path, name);
    const known = Object.hasOwn(properties, name) ? properties[name] : undefined;
    const others = node.additionalProperties;
    const schema =
      known ??
      (key?.test(name) === true ? ofPattern : typeof others === 'object' ? others : undefined);
    if (schema === undefined && others !== true)
      return { path: place, expected: 'nothing of this name' };
    const found = schema && firstMismatch(schema, member, place);
    if (found !== undefined) return found;
  }
  return { path, expected: describe(node) };
}

function arrayMismatch(node: SchemaNode, value: readonly unknown[], path: string): Mismatch {
  const { items = {} } = node;
  for (const [index, item] of value.entries()) {
    const found = firstMismatch(items, item, pointer(path, index));
    if (found !== undefined) return found;
  }
  const unique = node.uniqueItems === true ? ', no two of them equal' : '';
  return { path, expected: `${describe(node)}${unique}` };
}

function accepts(node: SchemaNode, value: unknown): boolean {
  return Check(node as XSchema, value);
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
