import assert from 'node:assert/strict';
import { test } from 'node:test';

import { serviceRanges } from './service-ranges.ts';

function table(...rows: readonly (readonly [name: string, kind: string, cell: string])[]) {
  return serviceRanges(rows.map(([name, kind, cell]) => ({ name, kind, cells: [kind, cell] })));
}

test('services that are numbered and of one kind share a row', () => {
  assert.deepEqual(
    table(
      ['zdb', 'up', ':1'],
      ['zdb-1', 'up', '127.0.0.1:20'],
      ['zdb-2', 'up', '127.0.0.1:23'],
      ['zdb-3', 'down', ':4'],
      ['zdb-4', 'up', ':5'],
    ),
    [
      ['zdb', 'up', ':1'],
      ['zdb-1 … zdb-2', 'up', '127.0.0.1:20 … 23'],
      ['zdb-3', 'down', ':4'],
      ['zdb-4', 'up', ':5'],
    ],
  );
});

test('services with a gap between their numbers, or other names, do not share a row', () => {
  const rows = table(['a-1', 'up', ''], ['a-3', 'up', ''], ['b-4', 'up', '']);
  assert.deepEqual(
    rows.map(([name]) => name),
    ['a-1', 'a-3', 'b-4'],
  );
  assert.deepEqual(table(), []);
});
