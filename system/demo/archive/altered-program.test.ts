import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';

import { tempFolder } from '@commongrid/base/testing';

import { alterFile, isNoted, storedFile } from './altered-program.ts';

test('a file of an image is found by its content, and altered in one bit', async () => {
  await using folder = await tempFolder('altered');
  const node = { folder: folder.path };
  const objects = join(folder.path, 'machine', 'images', 'objects');
  const path = join(objects, 'ab', 'ab01');
  await mkdir(join(objects, 'ab'), { recursive: true });
  await mkdir(join(objects, 'cd'));
  await writeFile(path, 'what it says', { mode: 0o444 });
  await writeFile(join(objects, 'cd', 'cd01'), 'something else');
  const sha256 = createHash('sha256').update('what it says').digest('hex');
  const find = () => storedFile(node, sha256, AbortSignal.timeout(60_000));
  assert.equal(await find(), path);
  await alterFile(path);
  assert.equal(await find(), undefined);
  assert.equal(await readFile(path, 'utf8'), 'what iu says');
});

test('a machine noted a file only where its log says that this one was damaged', async () => {
  await using folder = await tempFolder('altered');
  const node = { folder: folder.path };
  const images = join(folder.path, 'machine', 'images');
  await mkdir(images, { recursive: true });
  const altered = { node, path: join(images, 'objects', 'ab', 'ab01'), sha256: '' };
  const note = (name: string, msg: string): Promise<void> => {
    return writeFile(join(images, 'service.log'), `${JSON.stringify({ name, msg })}\n`);
  };
  await note('ab02', 'a file of the store was damaged and is removed');
  assert.equal(await isNoted(altered), false);
  await note('ab01', 'a damaged file is not there again yet');
  assert.equal(await isNoted(altered), false);
  await note('ab01', 'a file of the store was damaged and is removed');
  assert.equal(await isNoted(altered), true);
});
