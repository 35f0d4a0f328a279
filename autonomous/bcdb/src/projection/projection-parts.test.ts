import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isGridError } from '@commongrid/base';
import fc from 'fast-check';
import type { Effect } from '../state/effect.ts';
import { packBatch, unpackBatch } from './batch-message.ts';
import { readCursor, writeCursor } from './cursor.ts';
import { columnValue, fieldColumns } from './field-value.ts';
import { SizeWaiters } from './size-waiters.ts';
import { textQuery } from './text-query.ts';
import { jsonPath, quoted, shortName } from './view-sql.ts';

test('packBatch and unpackBatch give the batch again', () => {
  const common = fc.record({
    ns: fc.string(),
    url: fc.string(),
    obj: fc.string(),
    seq: fc.nat(),
    origin: fc.nat(),
    version: fc.string(),
    author: fc.string(),
    at: fc.nat(),
  });
  const bytes = fc.uint8Array({ maxLength: 20 });
  const effect: fc.Arbitrary<Effect> = fc.oneof(
    fc
      .tuple(
        common,
        fc.option(fc.string(), { nil: undefined }),
        fc.option(bytes, { nil: undefined }),
      )
      .map(([fields, schema, payload]) => ({ kind: 'put' as const, ...fields, schema, payload })),
    common.map((fields) => ({ kind: 'del' as const, ...fields })),
    common.map((fields) => ({ kind: 'erase' as const, ...fields })),
  );
  fc.assert(
    fc.property(fc.array(effect), (effects) => {
      const batch = { from: 1, size: 9, root: new Uint8Array(32).fill(7), effects };
      assert.deepEqual(unpackBatch(structuredClone(packBatch(batch))), batch);
    }),
  );
});

test('a cursor fits only its query', () => {
  const query = { url: 'a.b.1', where: undefined };
  const cursor = writeCursor(query, ['ä', 1.5, null]);
  assert.deepEqual(readCursor({ url: 'a.b.1' }, cursor, 3), ['ä', 1.5, null]);
  const isInvalid = (error: unknown): boolean => isGridError(error, 'BCDB_QUERY_INVALID');
  assert.throws(() => readCursor({ url: 'a.c.1' }, cursor, 3), isInvalid);
  assert.throws(() => readCursor(query, cursor, 2), isInvalid);
  fc.assert(
    fc.property(fc.string(), (text) => assert.throws(() => readCursor(query, text, 3), isInvalid)),
  );
});

test('columnValue gives moments in milliseconds, and nothing for other types', () => {
  assert.equal(columnValue('time', '1970-01-01T01:00:00.5+01:00'), 500);
  assert.equal(columnValue('time', '1998-12-31T23:59:60Z'), Date.UTC(1999, 0, 1));
  assert.equal(columnValue('time', '1970-01-01T00:00:01Z[Europe/Vienna]'), 1000);
  assert.equal(columnValue('time', 'soon'), null);
  assert.equal(columnValue('integer', 2 ** 60), null);
  assert.equal(columnValue('boolean', false), 0);
  assert.equal(columnValue('text', { a: 1 }), null);
  assert.deepEqual(fieldColumns({ a: { b: ['x', 1, 'x', null] } }, ['a', 'b'], 'text'), ['x']);
});

test('textQuery keeps words, phrases and stars, and bounds them', () => {
  assert.equal(textQuery('Ada "first program" lov*'), '"Ada" AND "first program" AND "lov" *');
  assert.equal(textQuery(`"open a-b`), '"open a b"');
  assert.equal(textQuery('" ( ) : ^ -'), undefined);
  assert.equal(textQuery('w '.repeat(100))?.split(' AND ').length, 32);
});

test('names of views and paths cannot break out of their quotes', () => {
  assert.equal(shortName('net.example.contact.1'), 'contact');
  assert.equal(shortName('net.example.contact.2'), 'contact_2');
  assert.equal(quoted('a"b'), '"a""b"');
  assert.equal(jsonPath(['a', "b'c"]), `$."a"."b'c"`);
  assert.equal(jsonPath(['a"b']), undefined);
});

test('SizeWaiters ends each wait once: by the size, the signal or the failure', async () => {
  const sizes = new SizeWaiters();
  const controller = new AbortController();
  const [two, three, five] = [
    sizes.waitFor(2),
    sizes.waitFor(3, controller.signal),
    sizes.waitFor(5),
  ];
  sizes.advance(2);
  await two;
  controller.abort();
  await assert.rejects(three, (error) => isGridError(error, 'BASE_ABORTED'));
  sizes.fail(new Error('over'));
  await assert.rejects(five, /over/);
  await assert.rejects(sizes.waitFor(9), /over/);
  await sizes.waitFor(2);
});
