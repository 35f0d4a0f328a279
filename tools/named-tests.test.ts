import assert from 'node:assert/strict';
import { test } from 'node:test';

import { hasTest, namedTestsOf } from './named-tests.ts';

test('tests are found where a document names them behind a link to their file', () => {
  const text =
    '| A1 | once | [a](../a.test.ts): does it; [b](b.test.ts): does that, too |\n[c](c.ts) is no test\n';
  assert.deepEqual(namedTestsOf({ path: 'x.md', text }), [
    { file: '../a.test.ts', name: 'does it' },
    { file: 'b.test.ts', name: 'does that, too' },
  ]);
});

test('a file has a test by the whole of its name', () => {
  const text =
    "test('a b', () => {});\n  test(titled('c d'), () => {});\ntest(\n  'e f',\n  longer, () => {});";
  assert.equal(hasTest(text, 'a b'), true);
  assert.equal(hasTest(text, 'c d'), true);
  assert.equal(hasTest(text, 'e f'), true);
  assert.equal(hasTest(text, 'a'), false);
});
