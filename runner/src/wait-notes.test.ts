import assert from 'node:assert/strict';
import { test } from 'node:test';

import { waitNotes } from './wait-notes.ts';

test('those who wait are told after 5 s, then each 30 s', () => {
  const isDue = waitNotes(100);
  const told = [100, 5_099, 5_100, 5_600, 35_099, 35_100, 65_000, 65_100].filter(isDue);
  assert.deepEqual(told, [5_100, 35_100, 65_100]);
});
