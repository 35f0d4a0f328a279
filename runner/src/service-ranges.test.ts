import assert from 'node:assert/strict';
import { test } from 'node:test';

import { nameRanges, serviceRanges } from './service-ranges.ts';

function table(...rows: readonly (readonly [name: string, kind: string, cell: string])[]) {
  return serviceRanges(rows.map(([name, kind, cell]) => ({ name, kind, cells: [kind, cell] })));
}

test('services that are numbered and of one kind share a row', () => {
  assert.deepEqual(
    table(
      ['zdb', 'up', ':1'],
      ['zdb-1', 'up', '127.0.0.1:20'],
      ['zdb-2', 'up', '127.0.0.1:21'],
      ['zdb-3', 'up', '127.0.0.1:23'],
      ['zdb-4', 'down', ':4'],
      ['zdb-5', 'up', ':5'],
      ['zdb-6', 'up', ':6'],
    ),
    [
      ['zdb', 'up', ':1'],
      ['zdb-1 … zdb-3', 'up', '127.0.0.1:20 … 23'],
      ['zdb-4', 'down', ':4'],
      ['zdb-5', 'up', ':5'],
      ['zdb-6', 'up', ':6'],
    ],
  );
});

test('a list of names has ranges of three and more', () => {
  assert.equal(nameRanges(['zdb', 'z-1', 'z-2', 'z-3', 's3']), 'zdb, z-1 … z-3, s3');
  assert.equal(nameRanges(['z-3', 'z-5']), 'z-3, z-5');
  assert.equal(nameRanges(['z-3', 'z-4']), 'z-3, z-4');
});

test('services with a gap between their numbers, or other names, do not share a row', () => {
  const rows = table(['a-1', 'up', ''], ['a-3', 'up', ''], ['b-4', 'up', '']);
  assert.deepEqual(
    rows.map(([name]) => name),
    ['a-1', 'a-3', 'b-4'],
  );
  assert.deepEqual(table(), []);
});
