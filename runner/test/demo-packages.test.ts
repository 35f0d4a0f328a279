import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { test } from 'node:test';

import { hasCode, tempFolder } from '@commongrid/base/testing';

import { runCommand } from './fixtures/run-command.ts';

/** Writes down what it is told, and installs nothing. */
const aptGet = `#!/bin/sh
echo "$*" >> "\${0%/*}/../told"
exit 100
`;

test('a demo has what it lacks installed where somebody says yes, and begins with nothing less', async () => {
  await using folder = await tempFolder('demo-packages');
  const bin = join(folder.path, 'bin');
  await mkdir(bin);
  const { PATH = '' } = process.env;
  for (const from of PATH.split(delimiter)) {
    for (const name of await readdir(from).catch(() => [])) {
      if (['rclone', 'apt-get'].includes(name) || existsSync(join(bin, name))) continue;
      await symlink(join(from, name), join(bin, name)).catch(() => {});
    }
  }
  await writeFile(join(bin, 'apt-get'), aptGet, { mode: 0o755 });
  const words = ['demo', 'archive', '--nodes', '8', '--folder', join(folder.path, 'demo')];
  const missing = hasCode('BASE_PROGRAM_MISSING');
  process.env['PATH'] = bin;
  try {
    const home = join(folder.path, 'home');
    await assert.rejects(runCommand(home, [...words, '--json']), missing);
    assert.equal(existsSync(join(folder.path, 'told')), false);
    await assert.rejects(runCommand(home, [...words, '--yes']), missing);
  } finally {
    process.env['PATH'] = PATH;
  }
  const told = await readFile(join(folder.path, 'told'), 'utf8');
  assert.match(told, /^install --yes --no-install-recommends (?:\S+ )*rclone /m);
});
