import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';

import { tempFolder } from '@commongrid/base/testing';

import { packTree } from './pack-tree.ts';

test('what is packed is whole, whatever it is called, and what is not says so instead of an end', async () => {
  await using folder = await tempFolder('pack');
  for (const name of ['-site', 'a\\nb', 'a b*', 'a\nb', "--o='c'"]) {
    const path = join(folder.path, name);
    await mkdir(path);
    await writeFile(join(path, 'index.html'), 'hello');
    using packed = packTree(path);
    const words = ['--list', '--quoting-style=literal', '--file=-'];
    const list = spawn('tar', words, { stdio: ['pipe', 'pipe', 'inherit'] });
    packed.content.pipe(list.stdin);
    assert.equal(await text(list.stdout), `./${name}/\n./${name}/index.html\n`);
  }
  using missing = packTree(join(folder.path, 'none'));
  const failed = { code: 'GRID_COPY_FAILED', message: /ended with 2: .*none/ };
  await assert.rejects(text(missing.content), failed);
});

test('a machine without tar says so, and how to have it', async () => {
  await using folder = await tempFolder('pack');
  const { PATH } = process.env;
  process.env['PATH'] = folder.path;
  try {
    using packed = packTree(folder.path);
    // Also where nobody reads yet when it is clear.
    await new Promise((resolve) => void setImmediate(resolve));
    const missing = { code: 'GRID_COPY_FAILED', message: /ENOENT/, hint: /install tar/ };
    await assert.rejects(text(packed.content), missing);
  } finally {
    process.env['PATH'] = PATH;
  }
});
