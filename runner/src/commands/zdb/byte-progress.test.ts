import assert from 'node:assert/strict';
import { test } from 'node:test';

import { progressLine } from './byte-progress.ts';

test('a progress line shows the part that is done, and never more than all', () => {
  const line = (doneBytes: number, totalBytes: number): string =>
    progressLine('reading', { doneBytes, totalBytes });
  assert.equal(line(0, 2048), `reading [${'-'.repeat(30)}] 0 % of 2 KiB`);
  assert.equal(line(1024, 2048), `reading [${'#'.repeat(15)}${'-'.repeat(15)}] 50 % of 2 KiB`);
  assert.equal(line(4096, 2048), `reading [${'#'.repeat(30)}] 100 % of 2 KiB`);
  assert.equal(line(0, 0), `reading [${'#'.repeat(30)}] 100 % of 0 B`);
});
