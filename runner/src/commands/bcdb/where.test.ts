import assert from 'node:assert/strict';
import { test } from 'node:test';

import { addCondition, parseOrder } from './where.ts';

test('conditions are read with their operator and a value of the right type', () => {
  assert.deepEqual(addCondition('city=Ghent'), { field: 'city', op: 'eq', value: 'Ghent' });
  assert.deepEqual(addCondition('age>=18'), { field: 'age', op: 'gte', value: 18 });
  assert.deepEqual(addCondition('zip="9000"'), { field: 'zip', op: 'eq', value: '9000' });
  assert.deepEqual(addCondition('a.b!=null'), { field: 'a.b', op: 'ne', value: null });
  assert.deepEqual(addCondition('name^=A=B'), { field: 'name', op: 'prefix', value: 'A=B' });
  assert.deepEqual(addCondition('tags~=red'), { field: 'tags', op: 'contains', value: 'red' });
  assert.deepEqual(addCondition('note='), { field: 'note', op: 'eq', value: '' });
});

test('several conditions must all hold', () => {
  const both = addCondition('b<2', addCondition('a=1'));
  assert.deepEqual(both, {
    and: [
      { field: 'a', op: 'eq', value: 1 },
      { field: 'b', op: 'lt', value: 2 },
    ],
  });
});

test('what is no condition or order is refused', () => {
  for (const text of ['city', '=x', '']) assert.throws(() => addCondition(text), /name=value/);
  assert.deepEqual(parseOrder('name:desc'), { field: 'name', direction: 'desc' });
  assert.deepEqual(parseOrder('name'), { field: 'name', direction: 'asc' });
  assert.throws(() => parseOrder('name:down'), /name:desc/);
});
