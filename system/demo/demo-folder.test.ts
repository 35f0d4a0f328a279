import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';

import { hasCode, tempFolder } from '@commongrid/base/testing';

import { DemoFolder } from './demo-folder.ts';
import { DemoNetwork } from './demo-network.ts';
import { nodeFolder } from './demo-node.ts';

test('what a demo that was killed left is gone before the next one begins', async (t) => {
  await using temp = await tempFolder('demo-folder');
  const path = join(temp.path, 'demo');
  // As it would be left: a disk of a machine on a network, a program that runs on it, one of a bot, files.
  const disk = nodeFolder(join(path, 'nodes'), 3);
  const bot = join(path, 'home', 'bots', 'farmer-be');
  for (const folder of [disk, bot]) await mkdir(folder, { recursive: true });
  await writeFile(join(disk, 'state'), 'left');
  await writeFile(join(path, 'grid-demo.json'), '{}');
  const network = DemoNetwork.make(path);
  network.addMachine(3);
  const programs = [disk, bot].map((folder) => {
    const words = ['-e', 'process.stdout.write("up"); setInterval(() => {}, 60_000)'];
    return spawn(process.execPath, [...words, '--', '--data', folder]);
  });
  t.after(() => programs.map((child) => child.kill('SIGKILL')));
  const ends = programs.map((child) => once(child, 'exit'));
  await Promise.all(programs.map(({ stdout }) => once(stdout, 'data')));
  {
    await using folder = await DemoFolder.open(path);
    await Promise.all(ends);
    assert.deepEqual((await readdir(path)).toSorted(), ['LOCK', 'grid-demo.json']);
    assert.deepEqual(DemoNetwork.left(path), []);
    assert.equal(existsSync(join('/run/netns', network.netnsOf(3))), false);
    await assert.rejects(DemoFolder.open(path), hasCode('BASE_FOLDER_LOCKED'));
    await mkdir(folder.nodes);
  }
  assert.deepEqual(await readdir(path), ['LOCK']);
});

test('a folder with files of something else is no folder of a demo, and keeps them', async () => {
  await using temp = await tempFolder('demo-folder');
  const thesis = join(temp.path, 'thesis.tex');
  await writeFile(thesis, 'three years');
  await assert.rejects(DemoFolder.open(temp.path), hasCode('GRID_FOLDER_FOREIGN'));
  assert.deepEqual(await readdir(temp.path), ['thesis.tex']);
  assert.equal(await readFile(thesis, 'utf8'), 'three years');
});

test('a folder behind a link, or of a name with a space, is found again where it is', async () => {
  await using temp = await tempFolder('demo-folder');
  const [path, link] = [join(temp.path, 'the demo'), join(temp.path, 'link')];
  await mkdir(path);
  await symlink(path, link);
  DemoNetwork.make(path).addMachine(0);
  await using folder = await DemoFolder.open(link);
  assert.equal(folder.path, path);
  assert.deepEqual(DemoNetwork.left(path), []);
});
