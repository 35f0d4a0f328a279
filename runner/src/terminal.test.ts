import assert from 'node:assert/strict';
import { test } from 'node:test';

import { formatTable } from './terminal.ts';

test('a table lines its columns up and has no blanks at the end', () => {
  const table = formatTable([
    ['name', 'used'],
    ['photos', '1'],
    ['a', ''],
  ]);
  assert.equal(table, 'name    used\nphotos  1\na');
});
