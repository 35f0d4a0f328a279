import assert from 'node:assert/strict';
import { test } from 'node:test';

import { hasCode } from '@commongrid/base/testing';
import fc from 'fast-check';

import { hubReferenceText, parseHubReference } from './hub-reference.ts';

test('a reference is read as it is written', () => {
  assert.deepEqual(parseHubReference('alice/app'), { user: 'alice', name: 'app', tag: '' });
  const tagged = { user: 'a.b-c_1', name: '0app', tag: 'V1.0_x' };
  assert.deepEqual(parseHubReference('a.b-c_1/0app:V1.0_x'), tagged);
  assert.equal(hubReferenceText(tagged), 'a.b-c_1/0app:V1.0_x');
});

test('a text that is no reference is refused', () => {
  const long = `a/${'x'.repeat(129)}`;
  const wrong = [
    '',
    'a',
    'a/',
    '/a',
    'a/b/c',
    'A/b',
    'a/B',
    '../b',
    'a/..',
    'a/b:',
    'a/b:.x',
    long,
  ];
  for (const text of [...wrong, 'a/b:c:d', 'a/b c', 'a/b%20', 'a/é', 'a/b\n']) {
    assert.throws(() => parseHubReference(text), hasCode('HUB_NAME_INVALID'), text);
  }
});

test('whatever is read is written as it was', () => {
  const part = fc.stringMatching(/^[a-zA-Z0-9._:/-]{0,8}$/);
  const property = fc.property(part, part, part, (user, name, tag) => {
    for (const text of [`${user}/${name}`, `${user}/${name}:${tag}`]) {
      let reference;
      try {
        reference = parseHubReference(text);
      } catch (error) {
        assert.ok(hasCode('HUB_NAME_INVALID')(error));
        continue;
      }
      assert.equal(hubReferenceText(reference), text);
    }
  });
  fc.assert(property);
});
