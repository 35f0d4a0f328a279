import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Glob, patternLengthMax } from './glob.ts';

test('glob matches as patterns of Redis do', () => {
  const cases = [
    ['', '', true],
    ['*', '', true],
    ['*', 'any', true],
    ['a*c', 'abbc', true],
    ['a*c', 'abcd', false],
    ['a?c', 'abc', true],
    ['a?c', 'ac', false],
    ['a[bx]c', 'axc', true],
    ['a[b-d]c', 'acc', true],
    ['a[^b-d]c', 'acc', false],
    ['a[^b-d]c', 'aec', true],
    ['a\\*c', 'a*c', true],
    ['a\\*c', 'abc', false],
    ['a[', 'a[', true],
    ['*:data:*', 'people:data:net.example.contact.1', true],
    ['abc', 'abcd', false],
    ['abcd', 'abc', false],
  ] as const;
  for (const [pattern, text, is] of cases) {
    assert.equal(new Glob(pattern).matches(text), is, `${pattern} on ${text}`);
  }
});

test('glob of many stars takes no longer than both lengths allow', () => {
  const pattern = `${'a*'.repeat(patternLengthMax / 2 - 1)}b`;
  assert.equal(new Glob(pattern).matches('a'.repeat(256)), false);
  assert.throws(() => new Glob('*'.repeat(patternLengthMax + 1)), /too long/);
});
