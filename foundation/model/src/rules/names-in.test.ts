import { deepEqual } from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { fakeId } from '../testing/ids.ts';
import { namesIn } from './names-in.ts';

const ids = [
  { kind: 'key', id: fakeId.key(1) },
  { kind: 'bot', id: fakeId.bot(1) },
  { kind: 'node', id: fakeId.node(1) },
  { kind: 'farm', id: fakeId.farm(1) },
  { kind: 'contract', id: fakeId.contract(1) },
  { kind: 'lock', id: fakeId.lock(1) },
] as const;

test('namesIn finds each kind of id in any field, at any depth', () => {
  const wrap: (inner: fc.Arbitrary<unknown>) => fc.Arbitrary<unknown> = (inner) =>
    fc.oneof(inner, fc.array(inner, { minLength: 1 }), fc.record({ x: inner, y: fc.jsonValue() }));
  const somewhere = fc.constantFrom(...ids).chain((one) => {
    const value = wrap(wrap(wrap(fc.constant(one.id))));
    return value.map((inner) => ({ one, inner }));
  });
  fc.assert(
    fc.property(somewhere, ({ one, inner }) => {
      deepEqual(namesIn(inner), [one]);
    }),
  );
});

test('namesIn finds the parts of composed ids', () => {
  const contract = fakeId.contract(1);
  const found = namesIn(`${fakeId.node(1)}/${fakeId.workload(contract, 'web', 3)}`);
  deepEqual(found, [
    { kind: 'contract', id: contract },
    { kind: 'node', id: fakeId.node(1) },
  ]);
});

test('namesIn passes over what only looks like an id', () => {
  const near = ids.flatMap(({ id }) => [`${id}x`, id.slice(0, -1), `see ${id}`, ` ${id}`]);
  deepEqual(namesIn([near, 1, null, true, 'bot:', 'toString:x', 'constructor']), []);
});
