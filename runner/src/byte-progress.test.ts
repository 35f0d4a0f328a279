import assert from 'node:assert/strict';
import { test } from 'node:test';

import { progressLine } from './byte-progress.ts';

const bar = (filled: number): string => `[${'#'.repeat(filled)}${'-'.repeat(30 - filled)}]`;

test('a progress line shows the part that is done, and never more than all', () => {
  const line = (doneBytes: number, totalBytes: number): string =>
    progressLine('reading', { doneBytes, totalBytes }, 1000);
  assert.equal(line(0, 2048), `reading ${bar(0)} 0 % of 2 KiB, 0 MB/s`);
  assert.equal(line(1024, 2048), `reading ${bar(15)} 50 % of 2 KiB, 0 MB/s`);
  assert.equal(line(4096, 2048), `reading ${bar(30)} 100 % of 2 KiB, 0 MB/s`);
  assert.equal(line(0, 0), `reading ${bar(30)} 100 % of 0 B, 0 MB/s`);
});

test('a progress line shows how fast it goes, also where nobody knows the end', () => {
  const doneBytes = 10 * 2 ** 20;
  const known = progressLine('reading', { doneBytes, totalBytes: 2 * doneBytes }, 500);
  assert.equal(known, `reading ${bar(15)} 50 % of 20 MiB, 21 MB/s`);
  const unknown = progressLine('reading', { doneBytes, totalBytes: undefined }, 500);
  assert.equal(unknown, 'reading 10 MiB, 21 MB/s');
});

test('a progress line shows what part is done where only that is known, and the step', () => {
  const progress = { doneBytes: 10 * 2 ** 20, totalBytes: undefined, part: 0.5, step: 'sending' };
  assert.equal(progressLine('it', progress, 500), `sending it ${bar(15)} 50 %, 10 MiB, 21 MB/s`);
});
