import assert from 'node:assert/strict';
import { test } from 'node:test';

import { tempFolder } from '@commongrid/base/testing';

import { listRows } from '../bench/list-rows.ts';

test('the bench of lists reads all of its lists, page by page', async () => {
  await using folder = await tempFolder('lists');
  const { signal } = new AbortController();
  const rows = listRows({ rounds: 3, isQuick: true, signal, note: () => {} }, folder.path);
  const pages = rows.map(({ name, note }) => [name, note]);
  assert.deepEqual(
    pages.filter(([name]) => !name?.endsWith('slowest')),
    [
      ['page of objects, flat', '11 pages of 10000 entries'],
      ['page of objects under one prefix', '10 pages of 10000 entries'],
      ['page of prefixes, one of all objects', '3 pages of 10000 entries'],
      ['page of prefixes of 1,000 objects', '3 pages of 10000 entries'],
      ['page of one object behind markers', '3 pages of 10000 entries'],
      ['page of versions, markers with one behind each', '21 pages of 10000 entries'],
    ],
  );
  assert.ok(rows.every(({ ours }) => ours > 0));
});
