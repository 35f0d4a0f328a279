import assert from 'node:assert/strict';
import {
  chmod,
  mkdir,
  readdir,
  readFile,
  readlink,
  rm,
  stat,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';

import { tempFolder } from '@commongrid/base/testing';

import { GridHome } from '../src/home.ts';

test('a home is made with folders for its owner only, also when it was open before', async () => {
  await using folder = await tempFolder('home');
  const home = new GridHome(join(folder.path, 'home'));
  assert.equal(await home.exists(), false);
  await home.create();
  assert.equal(await home.exists(), true);
  await chmod(home.path, 0o755);
  await home.create();
  assert.equal((await stat(home.path)).mode & 0o777, 0o700);
});

test('a secret is made once', async () => {
  await using folder = await tempFolder('home');
  const home = new GridHome(folder.path);
  await home.create();
  await home.createSecret(home.zdbPasswordFile, 'hex');
  const first = await readFile(home.zdbPasswordFile, 'utf8');
  await home.createSecret(home.zdbPasswordFile, 'hex');
  assert.equal(await readFile(home.zdbPasswordFile, 'utf8'), first);
  assert.match(first, /^[0-9a-f]{64}\n$/);
});

test('a secret that cannot be read is not replaced', async () => {
  await using folder = await tempFolder('home');
  const home = new GridHome(folder.path);
  await home.create();
  // What a link to itself has no process can read, root neither.
  await symlink(home.s3KeyFile, home.s3KeyFile);
  await assert.rejects(home.createSecret(home.s3KeyFile, 'hex'), { code: 'ELOOP' });
  assert.equal(await readlink(home.s3KeyFile), home.s3KeyFile);
});

test('a folder with other files, a newer or a damaged home is refused', async () => {
  await using folder = await tempFolder('home');
  const create = (): Promise<void> => new GridHome(folder.path).create();
  await writeFile(join(folder.path, 'thesis.tex'), '');
  await assert.rejects(create(), { code: 'GRID_HOME_FOREIGN' });
  const marker = join(folder.path, 'grid.json');
  await writeFile(marker, '{"schema":"grid.home.1","version":2}');
  await assert.rejects(create(), { code: 'GRID_HOME_NEWER' });
  await writeFile(marker, '{"schema"');
  await assert.rejects(create(), { code: 'GRID_HOME_UNUSABLE' });
});

test('a home that cannot be made, or has too long a path, is refused', async () => {
  await using folder = await tempFolder('home');
  await writeFile(join(folder.path, 'file'), '');
  const inFile = new GridHome(join(folder.path, 'file', 'home'));
  await assert.rejects(inFile.create(), { code: 'GRID_HOME_UNUSABLE' });
  const long = new GridHome(join(folder.path, 'x'.repeat(80)));
  await assert.rejects(long.create(), { code: 'GRID_HOME_UNUSABLE' });
});

test('a wipe leaves nothing that opens what was deployed', async () => {
  await using folder = await tempFolder('home');
  const home = new GridHome(join(folder.path, 'home'));
  await home.create();
  await mkdir(join(home.deployed, 'redis'), { recursive: true });
  await writeFile(join(home.deployed, 'redis', 'password'), 'open sesame');
  await home.wipe();
  assert.deepEqual(await readdir(folder.path), []);
});

test('a wipe that was cut off can be done again', async () => {
  await using folder = await tempFolder('home');
  const home = new GridHome(join(folder.path, 'home'));
  await home.create();
  await rm(home.zdb, { recursive: true });
  await home.wipe();
  assert.equal(await home.exists(), false);
  await home.wipe();
  await mkdir(home.path);
  await home.create();
  assert.equal(await home.exists(), true);
});
