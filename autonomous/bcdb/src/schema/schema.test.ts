import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isGridError } from '@commongrid/base';
import fc from 'fast-check';
import { Type } from 'typebox';
import { checkCompatible, schemaDifferences } from './compatibility.ts';
import { compileSchema } from './compiled-schema.ts';
import { decimalKey, decimalPattern, decimalPatternOf } from './decimal.ts';
import {
  DateText,
  DateTime,
  Decimal,
  indexed,
  Money,
  Ref,
  searchable,
  Text,
  unique,
} from './fields.ts';
import { migrate, parseMigration } from './migration.ts';
import { patternProblem } from './pattern.ts';
import { parseSchema } from './schema-document.ts';
import { typesOf } from './type-text.ts';

const contact = Type.Object({
  name: searchable(indexed(Text({ minLength: 1 }))),
  email: Type.Optional(unique(Text())),
  born: Type.Optional(indexed(DateText())),
  seenAt: Type.Optional(indexed(DateTime())),
  limit: Type.Optional(Money()),
  price: Type.Optional(indexed(Decimal({ currency: 'EUR' }))),
  tags: Type.Optional(indexed(Type.Array(Text()))),
  state: Type.Union([Type.Literal('new'), Type.Literal('known')]),
  home: Type.Optional(Type.Object({ 'zip.code': indexed(Text()) })),
  notes: Type.Optional(Type.Record(Type.String(), Text())),
  employer: Type.Optional(Ref('net.example.company.1')),
});

function refusal(json: unknown): unknown {
  try {
    parseSchema(json);
  } catch (error) {
    assert.ok(isGridError(error, 'BCDB_SCHEMA_INVALID'), String(error));
    return error.details['path'];
  }
  return undefined;
}

test('parseSchema gives the id, the text and the marked fields', () => {
  const document = parseSchema(contact);
  assert.match(document.id, /^[\w-]{43}$/);
  assert.equal(parseSchema(JSON.parse(document.text)).id, document.id);
  assert.deepEqual(
    document.fields.map(({ name, kind, isList, isUnique }) => [name, kind, isList, isUnique]),
    [
      ['born', 'date', false, false],
      ['email', 'text', false, true],
      ['employer', 'text', false, false],
      [String.raw`home.zip\.code`, 'text', false, false],
      ['name', 'text', false, false],
      ['price', 'decimal', false, false],
      ['seenAt', 'time', false, false],
      ['tags', 'text', true, false],
    ],
  );
});

test('parseSchema names the place of what it refuses', () => {
  const of = (node: unknown): unknown => ({ type: 'object', properties: { a: node } });
  assert.equal(refusal({ type: 'string' }), '');
  assert.equal(refusal(null), '');
  assert.equal(refusal(of({ $ref: 'https://example.net/x' })), '/properties/a/$ref');
  assert.equal(refusal(of({ allOf: [] })), '/properties/a/allOf');
  assert.equal(refusal(of({ type: 'string', pattern: '^(a+)+$' })), '/properties/a/pattern');
  assert.equal(refusal(of({ type: 'string', format: 'regex' })), '/properties/a/format');
  assert.equal(refusal(of({ type: 'array' })), '/properties/a');
  assert.equal(refusal(of({ type: ['string', 'null'] })), '/properties/a/type');
  assert.equal(refusal(of({ type: 'integer', minimum: '1' })), '/properties/a/minimum');
  assert.equal(refusal(of({ type: 'string', maxLength: -1 })), '/properties/a/maxLength');
  assert.equal(
    refusal(of({ type: 'object', properties: {}, 'x-bcdb': { index: true } })),
    '/properties/a',
  );
  assert.equal(
    refusal(of({ type: 'string', 'x-bcdb': { index: 1 } })),
    '/properties/a/x-bcdb/index',
  );
  assert.equal(refusal(of({ type: 'integer', 'x-bcdb': { fts: true } })), '/properties/a');
  assert.equal(refusal({ type: 'object', required: ['b'] }), '/required');
  assert.equal(
    refusal(JSON.parse('{"type":"object","properties":{"__proto__":{}}}')),
    '/properties/__proto__',
  );
  assert.equal(
    refusal(of({ type: 'object', properties: { 'a\0': {} } })),
    '/properties/a/properties/a\0',
  );
});

test('parseSchema bounds text, depth, marks and alternatives', () => {
  let deep: unknown = { type: 'string' };
  for (let i = 0; i < 20; i++) deep = { type: 'array', items: deep };
  assert.notEqual(refusal({ type: 'object', properties: { deep } }), undefined);
  const named = (count: number, node: object): object =>
    Object.fromEntries(Array.from({ length: count }, (_, i) => [`f${i}`, node]));
  const marked = { type: 'string', 'x-bcdb': { index: true } };
  assert.equal(refusal({ type: 'object', properties: named(32, marked) }), undefined);
  assert.equal(refusal({ type: 'object', properties: named(33, marked) }), '');
  assert.equal(refusal({ type: 'object', properties: named(10_000, { type: 'string' }) }), '');
  const values = Array.from({ length: 1025 }, (_, i) => i);
  assert.equal(refusal({ type: 'object', properties: { a: { enum: values } } }), '/properties/a');
});

test('patternProblem lets pass what is quick on any text, and refuses what may not be', () => {
  for (const pattern of [
    '^[a-z][a-z0-9-]{0,62}$',
    '^(?:anyone|ed25519:[A-Za-z0-9_-]{43}|bot:[A-Za-z0-9_-]{1,64})$',
    '^.*$',
    String.raw`^\d{4}-\d{2}-\d{2}$`,
    decimalPatternOf(),
    `^${'a'.repeat(510)}$`,
    `^${'(a'.repeat(8)}${')'.repeat(8)}$`,
  ]) {
    assert.equal(patternProblem(pattern, 1 << 20), undefined, pattern);
  }
  for (const pattern of [
    '^(a+)+$',
    '^(a|a)*$',
    '^.*.*$',
    'a+$',
    '^a',
    '^a|b$',
    '^(?=a)a$',
    String.raw`^(a)\1$`,
    '^a+?$',
    '^(?:a?){40}$',
    '^a{2000}{2000}$',
    '^(?:a{2000}){2000}$',
    '^a\\$',
    '^[z-a]$',
    '^(a$',
    `^${'a'.repeat(511)}$`,
    `^${'(a'.repeat(9)}${')'.repeat(9)}$`,
  ]) {
    assert.notEqual(patternProblem(pattern, 1 << 20), undefined, pattern);
  }
});

test('compileSchema names the first place that breaks the schema', () => {
  const { mismatch } = compileSchema(parseSchema(contact));
  assert.equal(mismatch({ name: 'Ada', state: 'new' }), undefined);
  assert.equal(mismatch({ state: 'new' })?.path, '/name');
  assert.equal(mismatch({ name: '', state: 'new' })?.path, '/name');
  assert.equal(mismatch({ name: 'Ada', state: 'old' })?.path, '/state');
  assert.equal(mismatch({ name: 'Ada', state: 'new', age: 3 })?.path, '/age');
  assert.equal(mismatch({ name: 'Ada', state: 'new', born: '2026-02-30' })?.path, '/born');
  assert.equal(mismatch({ name: 'Ada', state: 'new', tags: ['a', 1] })?.path, '/tags/1');
  assert.equal(mismatch({ name: 'Ada', state: 'new', price: '01.5' })?.path, '/price');
  assert.equal(mismatch({ name: 'Ada', state: 'new', notes: { a: 1 } })?.path, '/notes/a');
  assert.equal(mismatch([])?.path, '');
});

test('compileSchema refuses whole numbers that JSON readers round', () => {
  const { accepts } = compileSchema(
    parseSchema({ type: 'object', properties: { a: { type: 'integer' } } }),
  );
  assert.equal(accepts({ a: 2 ** 53 - 1 }), true);
  assert.equal(accepts({ a: 2 ** 53 }), false);
});

test('compileSchema judges alike with and without generated code', () => {
  const document = parseSchema(contact);
  const fast = compileSchema(document);
  const slow = compileSchema(document, { mayEval: false });
  const value = fc.record(
    {
      name: fc.oneof(fc.string(), fc.integer()),
      state: fc.constantFrom('new', 'known', 'lost'),
      tags: fc.oneof(fc.array(fc.string()), fc.array(fc.integer()), fc.string()),
      born: fc.constantFrom('2026-01-31', '2026-02-31', 'today'),
      limit: fc.record({
        amount: fc.constantFrom('1.5', '1,5'),
        currency: fc.constantFrom('EUR', 'e'),
      }),
      notes: fc.dictionary(fc.string(), fc.oneof(fc.string(), fc.boolean())),
    },
    { requiredKeys: [] },
  );
  fc.assert(
    fc.property(value, (payload) => {
      assert.equal(fast.accepts(payload), slow.accepts(payload));
      const found = fast.mismatch(payload);
      assert.equal(found === undefined, fast.accepts(payload));
      assert.notEqual(found?.expected, 'what the schema says');
    }),
  );
});

test('checkCompatible takes wider schemas and lists each way in which one is narrower', () => {
  const of = (properties: object, required: string[] = []): ReturnType<typeof parseSchema> =>
    parseSchema({ type: 'object', properties, required });
  const old = of({ a: { type: 'string', maxLength: 9 }, b: { enum: ['x', 'y'] } }, ['a']);
  const wider = of({
    a: { type: 'string', maxLength: 10, 'x-bcdb': { index: true } },
    b: { enum: ['x', 'y', 'z'] },
    c: { type: 'integer' },
  });
  checkCompatible(old, wider);
  checkCompatible(of({ n: { type: 'integer' } }), of({ n: { type: 'number' } }));
  checkCompatible(
    of({ n: { const: 'a' } }),
    of({ n: { anyOf: [{ const: 'b' }, { type: 'string' }] } }),
  );
  const paths = (next: object, required: string[] = []): readonly string[] =>
    schemaDifferences(old, of(next, required)).map(({ path }) => path);
  assert.deepEqual(paths({ b: { enum: ['x', 'y'] } }), ['/a']);
  assert.deepEqual(paths({ a: { type: 'string', maxLength: 8 }, b: { enum: ['x'] } }), [
    '/a',
    '/b',
  ]);
  assert.deepEqual(paths({ a: { type: 'integer' }, b: { enum: ['x', 'y'] } }), ['/a']);
  assert.deepEqual(
    paths({ a: { type: 'string' }, b: { enum: ['x', 'y'] }, c: { type: 'null' } }, ['c']),
    ['/c'],
  );
  assert.throws(
    () => checkCompatible(wider, old),
    (error) => isGridError(error, 'BCDB_SCHEMA_INCOMPATIBLE'),
  );
});

test('a compatible schema takes every payload that the former one took', () => {
  const leaf = fc.oneof(
    fc.record(
      { type: fc.constant('integer'), minimum: fc.integer({ min: 0, max: 3 }) },
      { requiredKeys: ['type'] },
    ),
    fc.record(
      { type: fc.constant('string'), maxLength: fc.integer({ min: 0, max: 3 }) },
      { requiredKeys: ['type'] },
    ),
    fc.record({ enum: fc.uniqueArray(fc.constantFrom('a', 'b', 1, 2), { minLength: 1 }) }),
    fc.constant({ anyOf: [{ type: 'null' }, { type: 'string' }] }),
    fc.constant({}),
    fc.constant({ type: 'array', items: { enum: ['a', 1] } }),
  );
  const schema = fc.record({ a: leaf, b: leaf }, { requiredKeys: [] }).chain((properties) =>
    fc.record({
      type: fc.constant('object'),
      properties: fc.constant(properties),
      required: fc.subarray(Object.keys(properties)),
      additionalProperties: fc.oneof(fc.boolean(), leaf),
    }),
  );
  const value = fc.constantFrom<unknown>('a', 'b', 'abc', 0, 1, 2, null, ['a'], [1], ['c'], true);
  const payload = fc.record({ a: value, b: value, c: value }, { requiredKeys: [] });
  fc.assert(
    fc.property(schema, schema, fc.array(payload, { minLength: 20 }), (before, after, payloads) => {
      const [former, next] = [parseSchema(before), parseSchema(after)];
      fc.pre(schemaDifferences(former, next).length === 0);
      const [old, wider] = [former, next].map((one) => compileSchema(one, { mayEval: false }));
      for (const one of payloads) {
        if (old?.accepts(one) === true) assert.ok(wider?.accepts(one), JSON.stringify(one));
      }
    }),
    { numRuns: 400 },
  );
});

test('decimalKey sorts as the numbers do', () => {
  const decimal = fc
    .tuple(fc.bigInt({ min: -(10n ** 20n), max: 10n ** 20n }), fc.integer({ min: 0, max: 6 }))
    .map(([units, scale]) => {
      const digits = String(units < 0n ? -units : units).padStart(scale + 1, '0');
      const whole = digits.slice(0, digits.length - scale);
      const text = scale === 0 ? whole : `${whole}.${digits.slice(-scale)}`;
      return { text: units < 0n ? `-${text}` : text, value: units * 10n ** BigInt(6 - scale) };
    });
  fc.assert(
    fc.property(decimal, decimal, (a, b) => {
      const [x, y] = [decimalKey(a.text) ?? '', decimalKey(b.text) ?? ''];
      assert.equal(
        Math.sign(Buffer.compare(Buffer.from(x), Buffer.from(y))),
        a.value < b.value ? -1 : a.value > b.value ? 1 : 0,
      );
    }),
    { numRuns: 2000 },
  );
  assert.equal(decimalKey('1e5'), undefined);
  assert.ok(decimalPattern.test(decimalPatternOf({ scale: 0, isSigned: false })));
  assert.ok(!decimalPattern.test('^[0-9]{4}$'));
});

test('migrate renames, drops, sets and fills in', () => {
  const steps = parseMigration([
    { op: 'rename', from: ['name'], to: ['names', 'full'] },
    { op: 'drop', path: ['old', 'x'] },
    { op: 'set', path: ['v'], value: 2 },
    { op: 'default', path: ['names', 'short'], value: '' },
    { op: 'drop', path: ['toString'] },
  ]);
  assert.deepEqual(migrate({ name: 'Ada', old: { x: 1, y: 2 } }, steps), {
    names: { full: 'Ada', short: '' },
    old: { y: 2 },
    v: 2,
  });
  assert.throws(() => parseMigration([{ op: 'run', code: '1' }]));
  assert.throws(() => parseMigration([{ op: 'drop', path: ['__proto__'] }]));
});

test('typesOf writes a declaration that no name or comment can break out of', () => {
  const document = parseSchema({
    type: 'object',
    description: 'evil */ export const x = 1',
    properties: {
      name: { type: 'string', title: 'Name' },
      "it's": { enum: ['a', "b'c"] },
      tags: { type: 'array', items: { anyOf: [{ type: 'string' }, { type: 'null' }] } },
      map: { type: 'object', patternProperties: { '^.*$': { type: 'integer' } } },
    },
    required: ['name'],
  });
  assert.equal(
    typesOf(document, 'Contact'),
    `/** evil * / export const x = 1 */
export interface Contact {
  readonly 'it\\'s'?: 'a' | 'b\\'c';
  readonly map?: {
    readonly [name: string]: number;
  };
  /** Name */
  readonly name: string;
  readonly tags?: readonly (string | null)[];
}
`,
  );
});
