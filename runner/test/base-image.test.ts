import assert from 'node:assert/strict';
import { copyFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';

import { tempFolder } from '@commongrid/base/testing';
import {
  byteTextFrom,
  decodeFlist,
  findPath,
  summarizeFlist,
  unpackFlist,
} from '@commongrid/flist';

import { findStaticBusybox, makeBaseImage } from '../src/base-image.ts';

test('a base image has all programs of a busybox, and is the same each time', async () => {
  const busybox = await findStaticBusybox();
  assert.ok(busybox !== undefined, 'busybox-static is here');
  await using folder = await tempFolder('base');
  const copy = join(folder.path, 'busybox');
  await copyFile(busybox, copy);
  const [one, other] = [await makeBaseImage(busybox), await makeBaseImage(copy)];
  assert.equal(one.digest, other.digest);
  const packed = await one.source.getPackedFlist(one.digest);
  assert.ok(packed !== undefined);
  const flist = decodeFlist(await unpackFlist(packed));
  const shell = findPath(flist.root, byteTextFrom('/bin/sh'), { followLinks: true });
  assert.ok(shell?.kind === 'file' && shell.mode === 0o755);
  const { config, inodes } = summarizeFlist(flist);
  assert.deepEqual(config.cmd, ['/bin/sh']);
  assert.ok(inodes.symlink > 100);
});

test('a busybox that needs libraries is no base', async () => {
  // A shell is linked with libraries.
  await using folder = await tempFolder('base');
  assert.equal(await findStaticBusybox(['/bin/sh', folder.path, '/nowhere']), undefined);
});
