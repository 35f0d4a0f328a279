import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { tempFolder } from '@commongrid/base/testing';

import { LastHeard } from './last-heard.ts';

test('what was heard counts for the next agent, and for no other run of the machine', async () => {
  await using folder = await tempFolder();
  const file = join(folder.path, 'last-heard');
  let nowMs = 1_000_000;
  const open = (bootId = 'boot'): LastHeard => new LastHeard(file, bootId, () => nowMs);
  const first = open();
  assert.equal(first.ageSeconds(Infinity, Infinity), Infinity);
  assert.equal(first.ageSeconds(1, Infinity), Infinity);
  assert.equal(first.ageSeconds(1, 2), 2);
  nowMs += 3_000;
  assert.equal(first.ageSeconds(4, 5), 5);
  assert.equal(open().ageSeconds(Infinity, Infinity), 5);
  assert.equal(open('another').ageSeconds(Infinity, Infinity), Infinity);
  assert.equal(await readFile(file, 'utf8'), 'boot 998000\n');
  await writeFile(file, 'boot 99');
  assert.equal(open().ageSeconds(Infinity, Infinity), Infinity);
});
