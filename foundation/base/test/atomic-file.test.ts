import assert from 'node:assert/strict';
import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import {
  isAtomicTemp,
  makeFolderDurably,
  removeFileDurably,
  syncFolder,
  writeFileAtomic,
} from '../src/index.ts';
import { tempFolder } from '../src/testing/index.ts';
import { startChild } from './child.ts';

test('writeFileAtomic makes and replaces a file and leaves nothing else', async () => {
  await using folder = await tempFolder();
  const path = join(folder.path, 'state');
  await writeFileAtomic(path, 'one');
  await writeFileAtomic(path, Uint8Array.of(1, 2, 3));
  assert.deepEqual([...(await readFile(path))], [1, 2, 3]);
  assert.deepEqual(await readdir(folder.path), ['state']);
});

test('writeFileAtomic sets the mode it is given', async () => {
  await using folder = await tempFolder();
  for (const mode of [0o600, 0o666]) {
    const path = join(folder.path, mode.toString(8));
    await writeFileAtomic(path, 'secret', { mode });
    assert.equal((await stat(path)).mode & 0o777, mode);
  }
});

test('makeFolderDurably makes a folder and those on the way to it, for their owner alone', async () => {
  await using folder = await tempFolder();
  const [outer, inner] = [join(folder.path, 'outer'), join(folder.path, 'outer', 'inner')];
  await makeFolderDurably(inner);
  await makeFolderDurably(inner);
  for (const path of [outer, inner]) assert.equal((await stat(path)).mode & 0o777, 0o700);
  await writeFileAtomic(join(folder.path, 'file'), '');
  await assert.rejects(makeFolderDurably(join(folder.path, 'file', 'in')), { code: 'ENOTDIR' });
});

test('writeFileAtomic removes its temporary file when it fails', async () => {
  await using folder = await tempFolder();
  const path = join(folder.path, 'taken');
  await mkdir(join(path, 'inside'), { recursive: true });
  await assert.rejects(writeFileAtomic(path, 'x'), { code: /EISDIR|ENOTEMPTY|EEXIST/ });
  assert.deepEqual(await readdir(folder.path), ['taken']);
  await assert.rejects(writeFileAtomic(join(folder.path, 'no', 'file'), 'x'), { code: 'ENOENT' });
});

test('writeFileAtomic leaves a whole file when its process is killed', async () => {
  await using folder = await tempFolder();
  const path = join(folder.path, 'state');
  await using writer = startChild('rewrite-file.ts', [path]);
  assert.equal(await writer.nextLine(), 'going');
  writer.process.kill('SIGKILL');
  await writer.ended();
  const content = await readFile(path, 'utf8');
  assert.match(content, /^([a-z])\1{65535}$/);
  const others = (await readdir(folder.path)).filter((name) => name !== 'state');
  assert.ok(others.every(isAtomicTemp), String(others));
});

test('isAtomicTemp knows its own names only', () => {
  assert.ok(isAtomicTemp('.state.0123456789abcdef.tmp'));
  for (const name of ['state', '.state.tmp', 'state.0123456789abcdef.tmp', '.hidden']) {
    assert.ok(!isAtomicTemp(name), name);
  }
});

test('removeFileDurably tells whether there was a file', async () => {
  await using folder = await tempFolder();
  const path = join(folder.path, 'old');
  await writeFile(path, '');
  await syncFolder(folder.path);
  assert.equal(await removeFileDurably(path), true);
  assert.equal(await removeFileDurably(path), false);
  await mkdir(path);
  await assert.rejects(removeFileDurably(path), { code: /EISDIR|EPERM/ });
});
