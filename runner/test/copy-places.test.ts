import assert from 'node:assert/strict';
import { test } from 'node:test';

import { hasCode, tempFolder } from '@commongrid/base/testing';

import { runCommand } from './fixtures/run-command.ts';

test('a copy is from here into a container, or out of one, and never from or to nowhere', async () => {
  await using folder = await tempFolder('copy-places');
  for (const words of [
    ['web:/data', ''],
    ['', 'web:/data'],
    ['here', 'there'],
    ['web:/data', 'shop:/data'],
    ['web:', '.'],
    ['web:/', '.'],
    ['web:/data/..', '.'],
    ['/', 'web:/data'],
  ]) {
    const copying = runCommand(folder.path, ['cp', '--', ...words]);
    await assert.rejects(copying, hasCode('GRID_USAGE'), words.join(' to '));
  }
});
