import assert from 'node:assert/strict';
import { test } from 'node:test';

import { firstDifference, printedBySteps, scriptOf, stepsOf } from './tour-steps.ts';
import { run } from './grid-process.ts';

const block = `$ printf 'one\\ntwo 2.5 s\\n'
one
two 17 ms
$ echo three >&2
three
$ true
`;

test('a tour is read as commands and what each prints, and so is what it truly prints', async () => {
  const steps = stepsOf(block);
  assert.deepEqual(
    steps.map(({ command }) => command),
    [`printf 'one\\ntwo 2.5 s\\n'`, 'echo three >&2', 'true'],
  );
  const { status, stdout } = await run('sh', ['-euc', scriptOf(steps)]);
  assert.equal(status, 0);
  const printed = printedBySteps(stdout);
  assert.deepEqual(printed, [['one', 'two 2.5 s'], ['three'], []]);
  assert.equal(firstDifference(steps[0]?.printed ?? [], printed[0] ?? []), undefined);
});

test('numbers, times, sizes, ids and blanks may differ from the document, words and lines may not', () => {
  const id = 'lRs1yrobZFjL6zBqxWXbEUUS9o1WvwbWHhRchZriA_A';
  const other = '-niuMNGbSSgpwqlCw1GrQeDDocyF7WdRRVBs0oJN1B_';
  assert.equal(firstDifference([`node:${id}  12 MiB`], [`node:${other}    3.5 GiB`]), undefined);
  assert.equal(firstDifference(['a', '...', 'd'], ['a', 'b', 'c', 'd']), undefined);
  assert.equal(firstDifference(['a', '...'], ['a']), undefined);
  assert.match(firstDifference(['runs on 1'], ['ran on 1']) ?? '', /^expected {2}runs on 1\nin\n/);
  assert.match(firstDifference(['a', 'b'], ['a']) ?? '', /^expected {2}b$/m);
  assert.match(firstDifference(['a'], ['a', 'b']) ?? '', /^expected {2}nothing more$/m);
  assert.match(firstDifference(['a', '...', 'd', 'x'], ['a', 'd', 'e']) ?? '', /^expected {2}x$/m);
});
