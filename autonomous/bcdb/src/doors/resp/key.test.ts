import assert from 'node:assert/strict';
import { test } from 'node:test';
import { keyLengthMax, logKey, parseKey, schemaKey, typeKey } from './key.ts';

const url = 'net.example.contact.1';

test('key names logs, types, objects and schemas', () => {
  assert.deepEqual(parseKey('log'), { kind: 'log', ns: undefined });
  assert.deepEqual(parseKey(logKey('people')), { kind: 'log', ns: 'people' });
  assert.deepEqual(parseKey(typeKey('people', url)), { kind: 'type', ns: 'people', url });
  const schema = { kind: 'schema', ns: 'people', url: 'bcdb.schema.1', obj: url };
  assert.deepEqual(parseKey(schemaKey('people', url)), schema);
  for (const obj of ['ada', 'a/b:c', 'object/a.b.1/x']) {
    const key = { kind: 'object', ns: 'people', url, obj };
    assert.deepEqual(parseKey(`${typeKey('people', url)}/${obj}`), key);
  }
});

test('key that names nothing is none', () => {
  const wrong = [
    '',
    'people',
    'people:',
    'people:data',
    'people:data:',
    'people:data:contact',
    `people:data:${url}\n`,
    'people:log:x',
    'people:schemas',
    `people:schemas:${url}/x`,
    `PEOPLE:data:${url}`,
    `:data:${url}`,
    `people:date:${url}`,
    `people:data:${url}/${'x'.repeat(keyLengthMax)}`,
    'p\u00e9ople:log',
  ];
  for (const text of wrong) assert.equal(parseKey(text), undefined, JSON.stringify(text));
});
