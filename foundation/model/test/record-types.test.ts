import { deepEqual, equal, ok, throws } from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import fc from 'fast-check';
import { isGridError } from '@commongrid/base';
import { canonicalBytes, parseCanonical } from '@commongrid/crypto';
import { contractRoleOpening, parse, recordTypes } from '../src/index.ts';
import type { RecordUrl } from '../src/index.ts';
import { examples } from '../src/testing/index.ts';

const urls = Object.keys(examples) as RecordUrl[];

test('every record type has an example, and takes it', () => {
  deepEqual(urls.toSorted(), [...recordTypes.keys()].toSorted());
  for (const url of urls) deepEqual(parse(url, examples[url]), examples[url]);
});

test('every record type takes its example as canonical bytes', () => {
  for (const url of urls) parse(url, parseCanonical(canonicalBytes(examples[url])));
});

test('a record type refuses its example without any one member that it requires', () => {
  for (const url of urls) {
    for (const { path, value } of requiredRemoved(recordTypes.get(url)?.schema, examples[url])) {
      throws(() => parse(url, value), isInvalid, `${url} without ${path}`);
    }
  }
});

test('a record type refuses its example with any one scalar replaced by another type', () => {
  for (const url of urls) {
    for (const { path, value } of scalarsReplaced(examples[url], wrongTypes)) {
      throws(() => parse(url, value), isInvalid, `${url} with a wrong ${path}`);
    }
  }
});

test('a record type refuses its example with any one number made a fraction', () => {
  for (const url of urls) {
    const halves = (value: unknown) => (typeof value === 'number' ? [value + 0.5] : []);
    // Above 2^52 there are no halves.
    for (const { path, value } of scalarsReplaced(examples[url], halves)) {
      throws(() => parse(url, value), isInvalid, `${url} with half of ${path}`);
    }
  }
});

test('a record type refuses its example with any one id, key or hash altered', () => {
  for (const url of urls) {
    for (const { path, value } of scalarsReplaced(examples[url], brokenIds)) {
      throws(() => parse(url, value), isInvalid, `${url} with a broken ${path}`);
    }
  }
});

test('a record type refuses members that it does not know, at every depth', () => {
  for (const url of urls) {
    for (const { path, value } of strangersAdded(examples[url])) {
      throws(() => parse(url, value), isInvalid, `${url} with a stranger at ${path}`);
    }
  }
});

test('every list and text of a record type has a greatest length, and longer texts are refused', () => {
  for (const [url, { schema }] of recordTypes) {
    for (const part of partsOf(schema)) {
      const { type, maxItems, maxLength, pattern, const: fixed } = part;
      const text = `${url}: ${JSON.stringify(part).slice(0, 200)}`;
      if (type === 'array') ok(Number(maxItems) <= 4096, text);
      if (type === 'string' && (pattern ?? fixed) === undefined)
        ok(Number(maxLength) <= 262_144, text);
    }
  }
  const longer = (value: unknown) => (typeof value === 'string' ? ['a'.repeat(262_145)] : []);
  for (const url of urls) {
    for (const { path, value } of scalarsReplaced(examples[url], longer)) {
      throws(() => parse(url, value), isInvalid, `${url} with a long ${path}`);
    }
  }
});

test('an object id that a payload says fits the grammar of object ids', () => {
  for (const [url, type] of recordTypes) {
    const obj = type.objectOf(examples[url as RecordUrl]);
    if (type.namespace === 'user') equal(obj, undefined, url);
    else ok(/^[A-Za-z0-9_][A-Za-z0-9._:/@+-]{0,191}$/.test(obj ?? ''), `${url}: ${obj}`);
  }
});

test('random values never fit a record type, and never fail otherwise', () => {
  fc.assert(
    fc.property(fc.constantFrom(...urls), fc.jsonValue(), (url, value) => {
      throws(() => parse(url, value), isInvalid);
    }),
    { numRuns: 300 },
  );
});

test('parse names the place of a fault, and types that nobody knows', () => {
  const example = examples['grid.bot.1'];
  throws(
    () => parse('grid.bot.1', { ...example, recovery: { threshold: 0, keys: [] } }),
    (error) => isGridError(error) && String(error.details['path']).startsWith('/recovery'),
  );
  throws(() => parse('grid.nothing.1', {}), { code: 'MODEL_TYPE_UNKNOWN' });
});

test('amounts are whole and have one spelling', () => {
  const release = (amount: string) => ({ ...examples['grid.escrow.1'], amount });
  for (const amount of ['0', '1', '9'.repeat(38)]) parse('grid.escrow.1', release(amount));
  for (const amount of ['', '-1', '01', '1.5', '1e3', '+1', ' 1', '1'.repeat(39), '１']) {
    throws(() => parse('grid.escrow.1', release(amount)), isInvalid, amount);
  }
});

test('a policy of a contract wants at least one signature in each line', () => {
  const contract = examples['grid.contract.1'];
  const [line] = contract.policy.provision;
  for (const lines of [[], [{ ...line, min: 0 }], [{ ...line, signers: [] }]]) {
    const policy = { ...contract.policy, provision: lines };
    throws(() => parse('grid.contract.1', { ...contract, policy }), isInvalid);
  }
});

test('schemas use no keyword outside the documented set', () => {
  const schemas = [...recordTypes.values()].map(({ schema }) => schema);
  for (const schema of [...schemas, contractRoleOpening]) {
    deepEqual(keywordsOf(schema, new Set()).difference(documentedKeywords), new Set());
  }
});

test('patterns of schemas are anchored, and without a greatest length have no open repetition', () => {
  for (const [url, { schema }] of recordTypes) {
    for (const { pattern, maxLength } of stringsOf(schema)) {
      ok(pattern.startsWith('^') && pattern.endsWith('$'), `${url}: ${pattern}`);
      const outsideClasses = pattern.replaceAll(/\[[^\]]*\]/g, '');
      ok(maxLength !== undefined || !/[+*]/.test(outsideClasses), `${url}: ${pattern}`);
    }
  }
});

test('an object is called as the log allows, whatever hashes and nonces begin with', () => {
  for (const url of urls) {
    const text = JSON.stringify(examples[url]).replaceAll(
      /"[A-Za-z0-9_-]([A-Za-z0-9_-]{42}|[A-Za-z0-9_-]{21})"/g,
      '"-$1"',
    );
    const obj = recordTypes.get(url)?.objectOf(JSON.parse(text)) ?? '';
    // Users name their own objects.
    if (obj !== '') ok(/^[A-Za-z0-9_]/.test(obj), `${url} ${obj}`);
  }
});

test('schema ids are those of the golden file', async () => {
  const golden: unknown = JSON.parse(
    await readFile(new URL('golden/schema-ids.json', import.meta.url), 'utf8'),
  );
  const ids = Object.fromEntries([...recordTypes].map(([url, { schemaId }]) => [url, schemaId]));
  deepEqual(ids, golden, 'a schema has changed: give the type a new version instead');
});

const documentedKeywords = new Set([
  'additionalProperties',
  'anyOf',
  'const',
  'items',
  'maxItems',
  'maxLength',
  'maximum',
  'minItems',
  'minimum',
  'pattern',
  'properties',
  'required',
  'type',
  'uniqueItems',
  'x-bcdb',
]);

function isInvalid(error: unknown): boolean {
  return isGridError(error, 'MODEL_RECORD_INVALID');
}

interface Mutation {
  readonly path: string;
  readonly value: unknown;
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A schema and all schemas in it. */
function* partsOf(schema: unknown): Iterable<Readonly<Record<string, unknown>>> {
  if (Array.isArray(schema)) for (const one of schema) yield* partsOf(one);
  if (!isObject(schema)) return;
  yield schema;
  for (const inner of Object.values(schema)) yield* partsOf(inner);
}

/** All values that differ from the given one in one place, as `change` says. */
function* mutations(
  value: unknown,
  change: (value: unknown) => Iterable<unknown>,
  path = '',
): Iterable<Mutation> {
  for (const changed of change(value)) yield { path, value: changed };
  if (Array.isArray(value)) {
    for (const [index, item] of value.entries()) {
      for (const inner of mutations(item, change, `${path}/${index}`)) {
        yield { path: inner.path, value: value.with(index, inner.value) };
      }
    }
  } else if (isObject(value)) {
    for (const [name, member] of Object.entries(value)) {
      for (const inner of mutations(member, change, `${path}/${name}`)) {
        yield { path: inner.path, value: { ...value, [name]: inner.value } };
      }
    }
  }
}

function scalarsReplaced(
  value: unknown,
  replace: (value: unknown) => Iterable<unknown>,
): Iterable<Mutation> {
  return mutations(value, (one) => (typeof one === 'object' ? [] : replace(one)));
}

function strangersAdded(value: unknown): Iterable<Mutation> {
  return mutations(value, (one) => (isObject(one) ? [{ ...one, stranger: 1 }] : []));
}

function wrongTypes(value: unknown): readonly unknown[] {
  if (typeof value === 'string') return [1, null, [value], {}];
  if (typeof value === 'number') return [String(value), null, -1e300, true];
  return ['true', null, 1];
}

const idLike = /^(?:[a-z0-9]+:)?[A-Za-z0-9_-]{22,86}(?:\/.*)?$/;

function brokenIds(value: unknown): readonly unknown[] {
  if (typeof value !== 'string' || !idLike.test(value)) return [];
  return [`${value}=`, `${value}\n`, ` ${value}`, value.slice(1), `x${value}`];
}

/** The example without one of the members that the schema requires, at every depth. */
function* requiredRemoved(schema: unknown, value: unknown, path = ''): Iterable<Mutation> {
  if (!isObject(schema)) return;
  if (Array.isArray(value)) {
    for (const [index, item] of value.entries()) {
      for (const inner of requiredRemoved(schema['items'], item, `${path}/${index}`)) {
        yield { path: inner.path, value: value.with(index, inner.value) };
      }
    }
  }
  if (!isObject(value) || !isObject(schema['properties'])) return;
  for (const [name, member] of Object.entries(value)) {
    const required = schema['required'];
    if (Array.isArray(required) && required.includes(name)) {
      const { [name]: _removed, ...rest } = value;
      yield { path: `${path}/${name}`, value: rest };
    }
    for (const inner of requiredRemoved(schema['properties'][name], member, `${path}/${name}`)) {
      yield { path: inner.path, value: { ...value, [name]: inner.value } };
    }
  }
}

function* stringsOf(schema: unknown): Iterable<{ pattern: string; maxLength: unknown }> {
  if (typeof schema !== 'object' || schema === null) return;
  const { pattern, maxLength } = schema as { readonly [name: string]: unknown };
  if (typeof pattern === 'string') yield { pattern, maxLength };
  for (const member of Object.values(schema)) yield* stringsOf(member);
}

function keywordsOf(schema: unknown, found: Set<string>): Set<string> {
  if (!isObject(schema)) return found;
  for (const [keyword, value] of Object.entries(schema)) {
    found.add(keyword);
    if (keyword === 'items') keywordsOf(value, found);
    if (keyword === 'anyOf' && Array.isArray(value)) {
      for (const one of value) keywordsOf(one, found);
    }
    if (keyword === 'properties' && isObject(value)) {
      for (const one of Object.values(value)) keywordsOf(one, found);
    }
  }
  return found;
}
