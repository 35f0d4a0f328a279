import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { FolderLock } from '../src/index.ts';
import { tempFolder } from '../src/testing/index.ts';
import { startChild } from './child.ts';

test('folder lock refuses a second owner in the same process until it is closed', async () => {
  await using folder = await tempFolder();
  const lock = await FolderLock.open(folder.path);
  await assert.rejects(FolderLock.open(folder.path), {
    code: 'BASE_FOLDER_LOCKED',
    message: new RegExp(`in use by process ${process.pid} on `),
  });
  await lock.close();
  await lock.close();
  await using again = await FolderLock.open(folder.path);
  assert.equal(again.path, join(folder.path, 'LOCK'));
});

test('folder lock of another process is respected and named', async () => {
  await using folder = await tempFolder();
  await using owner = startChild('hold-lock.ts', [folder.path]);
  assert.equal(await owner.nextLine(), 'locked');
  await assert.rejects(FolderLock.open(folder.path), {
    code: 'BASE_FOLDER_LOCKED',
    details: {
      path: join(folder.path, 'LOCK'),
      owner: { pid: owner.process.pid, host: hostname() },
    },
  });
  owner.process.stdin.end();
  assert.equal(await owner.ended(), 0);
  await using lock = await FolderLock.open(folder.path);
  assert.match(await readFile(lock.path, 'utf8'), new RegExp(`"pid":${process.pid},`));
});

test('folder lock is free as soon as its owner is killed', async () => {
  await using folder = await tempFolder();
  await using owner = startChild('hold-lock.ts', [folder.path]);
  assert.equal(await owner.nextLine(), 'locked');
  owner.process.kill('SIGKILL');
  assert.equal(await owner.ended(), 'SIGKILL');
  await using lock = await FolderLock.open(folder.path);
  assert.ok(lock);
});

test('folder lock stays locked although nobody keeps it', async () => {
  await using folder = await tempFolder();
  await openAndForget(folder.path);
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  for (let round = 0; round < 5; round++) {
    collect();
    await new Promise((resolve) => setImmediate(resolve));
  }
  await assert.rejects(FolderLock.open(folder.path), { code: 'BASE_FOLDER_LOCKED' });
});

async function openAndForget(folder: string): Promise<void> {
  await FolderLock.open(folder);
}

test('folder lock goes to exactly one of many that try at once, also after a crash', async () => {
  await using folder = await tempFolder();
  for (let round = 0; round < 2; round++) {
    const children = Array.from({ length: 5 }, () => startChild('hold-lock.ts', [folder.path]));
    try {
      const lines = await Promise.all(children.map((child) => child.nextLine()));
      assert.equal(lines.filter((line) => line === 'locked').length, 1);
      assert.equal(lines.filter((line) => line === 'refused').length, 4);
    } finally {
      await Promise.all(children.map((child) => child[Symbol.asyncDispose]()));
    }
  }
});

test('folder lock fails on a folder that is not there', async () => {
  await using folder = await tempFolder();
  await assert.rejects(FolderLock.open(join(folder.path, 'none')), { code: 'ENOENT' });
});
