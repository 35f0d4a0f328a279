import assert from 'node:assert/strict';
import { writeSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';

import { tempFolder } from '@commongrid/base/testing';

import { LogFile, logLimits } from '../src/supervisor/log-file.ts';

test('a log keeps its limit of old files, and writers keep their descriptor', async () => {
  await using folder = await tempFolder('log');
  const path = join(folder.path, 'ping.log');
  const log = await LogFile.open(path, { ...logLimits, maxBytes: 10 });
  for (const generation of ['first', 'second', 'third', 'fourth']) {
    writeSync(log.descriptor, `${generation} words of a service\n`);
    await log.rotate();
  }
  writeSync(log.descriptor, 'short\n');
  await log.rotate();
  assert.deepEqual((await readdir(folder.path)).toSorted(), [
    'ping.log',
    'ping.log.1',
    'ping.log.2',
  ]);
  assert.equal(await readFile(path, 'utf8'), 'short\n');
  assert.match(await readFile(`${path}.1`, 'utf8'), /^fourth/);
  assert.match(await readFile(`${path}.2`, 'utf8'), /^third/);
  await log.close();
});

test('the tail of a log is its last lines', async () => {
  await using folder = await tempFolder('log');
  const log = await LogFile.open(join(folder.path, 'ping.log'));
  assert.deepEqual(await log.tail(2), []);
  writeSync(log.descriptor, `${'x'.repeat(100_000)}\none\n\ntwo\nthree\n`);
  assert.deepEqual(await log.tail(2), ['two', 'three']);
  await log.close();
});
