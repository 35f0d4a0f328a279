import assert from 'node:assert/strict';
import { glob, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { test } from 'node:test';

import { tempFolder } from '@commongrid/base/testing';

import { findTestFiles, runTestStage, testStages } from '../src/quality/test-stages.ts';

const root = resolve(import.meta.dirname, '..', '..');
const options = { root, isLong: false, reportTo: 'stdout' } as const;

test('each test file of the repository is in one stage', async () => {
  const stages = testStages.flat();
  const found = await Promise.all(stages.map((stage) => findTestFiles(stage, options)));
  const all = await Array.fromAsync(
    glob('*/**/*.test.ts', { cwd: root, exclude: (path) => path.includes('node_modules') }),
  );
  assert.deepEqual(found.flat().toSorted(), all.toSorted());
  const waiting = stages.findIndex(({ name }) => name === 'waiting');
  // Before all others: it takes longest.
  assert.equal(found[waiting]?.[0], 'system/e2e/demo-archive.test.ts');
});

test('a stage that runs beside others tells its report in one piece, and counts', async () => {
  await using folder = await tempFolder('test-stages');
  const lines = ["import { test } from 'node:test';", "test('holds', () => {});"];
  const broken = "test('breaks', () => { throw new Error('as it is to'); });";
  await writeFile(join(folder.path, 'some.test.ts'), [...lines, broken, ''].join('\n'));
  const reports: string[] = [];
  const stage = { name: 'some', globs: ['*.test.ts'], words: [] };
  const result = await runTestStage({ ...stage, budgetMinutes: 5 }, ['some.test.ts'], {
    ...{ ...options, root: folder.path },
    onReport: (text) => reports.push(text),
  });
  assert.equal(reports.length, 1);
  assert.match(reports[0] ?? '', /✔ holds[^]*✖ breaks[^]*as it is to/);
  assert.deepEqual([result.ok, result.passed, result.failed], [false, 1, 1]);
  assert.deepEqual(
    result.failures.map(({ name }) => name),
    ['breaks'],
  );
});
