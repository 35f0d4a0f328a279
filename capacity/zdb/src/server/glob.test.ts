import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { matchesGlob } from './glob.ts';

test('glob matches stars, question marks and plain letters', () => {
  const cases: readonly (readonly [pattern: string, text: string, expected: boolean])[] = [
    ['*', '', true],
    ['*', 'save', true],
    ['save', 'save', true],
    ['save', 'saves', false],
    ['s?ve', 'save', true],
    ['s?ve', 'sve', false],
    ['append*', 'appendonly', true],
    ['*only', 'appendonly', true],
    ['a*d*y', 'appendonly', true],
    ['a*x*y', 'appendonly', false],
    ['', '', true],
    ['', 'a', false],
  ];
  for (const [pattern, text, expected] of cases) {
    assert.equal(matchesGlob(pattern, text), expected, `${pattern} ${text}`);
  }
});

test('glob agrees with the same pattern as an expression', () => {
  const letters = fc.string({ unit: fc.constantFrom('a', 'b', '*', '?'), maxLength: 8 });
  const texts = fc.string({ unit: fc.constantFrom('a', 'b'), maxLength: 10 });
  fc.assert(
    fc.property(letters, texts, (pattern, text) => {
      const source = pattern.replaceAll('*', '.*').replaceAll('?', '.');
      assert.equal(matchesGlob(pattern, text), new RegExp(`^${source}$`).test(text));
    }),
  );
});
