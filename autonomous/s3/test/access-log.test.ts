import assert from 'node:assert/strict';
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';

import { systemClock } from '@commongrid/base';
import { tempFolder } from '@commongrid/base/testing';

import { AccessLog } from '../src/metering/access-log.ts';

test('the access log begins a new file, keeps ten, and loses no line between them', async () => {
  await using folder = await tempFolder('access-log');
  const path = join(folder.path, 'log', 'access.log');
  const options = { path, clock: systemClock, fileBytesMax: 100 };
  for (let round = 0; round < 14; round += 1) {
    await using log = await AccessLog.open(options);
    log.write(`round ${round} ${'x'.repeat(50)}`);
    log.write(`round ${round}, again`);
  }
  const files = (await readdir(join(folder.path, 'log'))).toSorted();
  assert.equal(files.length, 10);
  assert.equal((await stat(path)).mode & 0o777, 0o600);
  const lines: string[] = [];
  for (let at = 9; at >= 0; at -= 1) {
    const text = await readFile(at === 0 ? path : `${path}.${at}`, 'utf8');
    lines.push(...text.trimEnd().split('\n'));
  }
  assert.equal(lines.length, 20);
  assert.ok(lines.at(0)?.startsWith('round 4 x') === true);
  assert.equal(lines.at(-1), 'round 13, again');
});

test('the access log drops lines that the disk does not take in time, and counts them', async () => {
  await using folder = await tempFolder('access-log');
  await using log = await AccessLog.open({ path: join(folder.path, 'a'), clock: systemClock });
  for (let at = 0; at < 10; at += 1) log.write('x'.repeat(1 << 20));
  assert.equal(log.droppedLines, 3);
});
