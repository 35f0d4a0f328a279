import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Command } from 'commander';

import { orderedLimit, parseCountLimit, parseSizeLimit } from './quota-limit.ts';
import type { QuotaLimit } from './quota-limit.ts';

/** What a head is told for the words of a command line. */
function ordered(...words: string[]): (number | null)[] {
  const command = new Command()
    .exitOverride()
    .configureOutput({ outputError: () => {} })
    .option('--bytes <size>', '', parseSizeLimit)
    .option('--objects <n>', '', parseCountLimit);
  const options = command.parse(words, { from: 'user' }).opts<Record<string, QuotaLimit>>();
  return Object.values(options).map(orderedLimit);
}

test('a quota is a size and a number, and none takes it away', () => {
  assert.deepEqual(ordered('--bytes', '10GiB', '--objects', '7'), [10 * 2 ** 30, 7]);
  assert.deepEqual(ordered('--bytes', 'none', '--objects', 'none'), [null, null]);
});

test('a quota that is neither is refused', () => {
  assert.throws(() => ordered('--bytes', 'much'), /give a size such as 10GiB, or none/);
  assert.throws(() => ordered('--objects', '-1'), /give a whole number, or none/);
});
