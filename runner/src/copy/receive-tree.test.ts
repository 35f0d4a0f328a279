import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import {
  chmod,
  link,
  lstat,
  mkdir,
  readdir,
  readFile,
  readlink,
  symlink,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { test } from 'node:test';

import { hasCode, tempFolder } from '@commongrid/base/testing';

import { receiveTree } from './receive-tree.ts';

/** A folder with a tree to copy, and one where copies go. */
async function openPlaces() {
  const folder = await tempFolder('copy');
  const [from, to] = [join(folder.path, 'from'), join(folder.path, 'to')];
  await mkdir(join(from, 'site/deep'), { recursive: true });
  await mkdir(to);
  await writeFile(join(from, 'site/index.html'), 'hello');
  await writeFile(join(from, 'site/deep/run'), '#!/bin/sh\n');
  const receive = (words: readonly string[], name = 'site', at = to, whole = async () => {}) =>
    receiveTree(tarOf(from, words), { name, to: at, isWhole: whole });
  return {
    path: folder.path,
    from,
    to,
    receive,
    [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
  };
}

/** What GNU tar makes of these words; busybox is tried where containers are. */
function tarOf(folder: string, words: readonly string[]): AsyncIterable<Uint8Array> {
  const args = ['--create', '--file=-', '-P', `--directory=${folder}`, ...words];
  const { stdout } = spawn('tar', args, { stdio: ['ignore', 'pipe', 'ignore'] });
  // Read from at once: what nobody reads is dropped when the program ends.
  return stdout.pipe(new PassThrough());
}

test('a tree comes with its modes, times, links and names of any length', async () => {
  await using place = await openPlaces();
  const { from, to, receive } = place;
  const long = `${'n'.repeat(120)}.txt`;
  await writeFile(join(from, 'site/deep', long), 'long');
  await chmod(join(from, 'site/deep/run'), 0o751);
  await utimes(join(from, 'site/index.html'), 1_000_000, 1_000_000);
  await symlink('../index.html', join(from, 'site/deep/home'));
  await link(join(from, 'site/index.html'), join(from, 'site/second'));
  await chmod(join(from, 'site/deep'), 0o550);
  const got = await receive(['--format=gnu', './site']);
  assert.deepEqual(got, { path: join(to, 'site'), files: 3, bytes: 19 });
  const at = (path: string): string => join(to, 'site', path);
  assert.equal(await readFile(at('second'), 'utf8'), 'hello');
  assert.equal(await readFile(at(`deep/${long}`), 'utf8'), 'long');
  assert.equal((await lstat(at('deep/run'))).mode & 0o7777, 0o751);
  assert.equal((await lstat(at('deep'))).mode & 0o7777, 0o550);
  assert.equal((await lstat(at('index.html'))).mtimeMs, 1_000_000_000);
  assert.equal(await readlink(at('deep/home')), '../index.html');
  assert.deepEqual(await readdir(to), ['site']);
});

test('a file takes the place that is named, also of another file, without the bits of other users', async () => {
  await using place = await openPlaces();
  const { from, to, receive } = place;
  await chmod(join(from, 'site/deep/run'), 0o6755);
  await writeFile(join(to, 'mine'), 'old');
  const words = [`--directory=${from}/site/deep`, './run'];
  const got = await receive(words, 'run', join(to, 'mine'));
  assert.equal(got.path, join(to, 'mine'));
  assert.equal(await readFile(got.path, 'utf8'), '#!/bin/sh\n');
  assert.equal((await lstat(got.path)).mode & 0o7777, 0o755);
});

test('a folder that is there is not replaced', async () => {
  await using place = await openPlaces();
  const { to, receive } = place;
  await mkdir(join(to, 'site'));
  await writeFile(join(to, 'site/mine'), 'kept');
  await assert.rejects(receive(['./site']), hasCode('GRID_FILE_EXISTS'));
  assert.deepEqual(await readdir(join(to, 'site')), ['mine']);
  await assert.rejects(receive(['./site'], 'site', join(to, 'none/site')), { code: 'ENOENT' });
});

test('what would reach out of the copy is refused, and nothing is there', async () => {
  await using place = await openPlaces();
  const { path, from, to, receive } = place;
  const out = join(path, 'out');
  await symlink('/etc/passwd', join(from, 'absolute'));
  await symlink('..', join(from, 'site/up'));
  await symlink('deep', join(from, 'site/door'));
  // By their text both stay in the copy; the second follows the first, and leaves it.
  await mkdir(join(from, 'site/a/b/c'), { recursive: true });
  await symlink('../../..', join(from, 'site/a/b/c/x'));
  await symlink('a/b/c/x/../../../etc/passwd', join(from, 'site/y'));
  const hostile: readonly (readonly string[])[] = [
    ['--transform=s,^,../,', './site/index.html'],
    ['--transform=s,index,../../out,', './site'],
    [`--transform=s,^.*$,${out},`, './site/index.html'],
    ['--transform=s,deep/run,door/run,r', './site/door', './site/deep'],
    ['./site/up'],
    [
      '--no-recursion',
      './site',
      './site/a',
      './site/a/b',
      './site/a/b/c',
      './site/a/b/c/x',
      './site/y',
    ],
    ['--transform=s,absolute,site/absolute,r', '--no-recursion', './site', './absolute'],
    ['--no-recursion', './site/deep/run'],
    ['--transform=s,^.*$,other,', './site/index.html'],
    ['--no-recursion', './site', './site/index.html', './site/index.html'],
  ];
  for (const words of hostile) {
    await assert.rejects(receive(words), hasCode('GRID_COPY_REFUSED'), words.join(' '));
    assert.deepEqual(await readdir(to), [], words.join(' '));
  }
  assert.equal(existsSync(out), false);
});

test('a copy that is cut off, or of which its sender says so, leaves nothing', async () => {
  await using place = await openPlaces();
  const { to, receive } = place;
  const cut = async function* (): AsyncGenerator<Uint8Array> {
    for await (const chunk of tarOf(place.from, ['./site'])) {
      yield chunk.subarray(0, 700);
      return;
    }
  };
  const whole = { name: 'site', to, isWhole: async () => {} };
  await assert.rejects(receiveTree(cut(), whole), hasCode('FLIST_TAR_INVALID'));
  const not = async (): Promise<void> => {
    throw new Error('it was not all');
  };
  await assert.rejects(receive(['./site'], 'site', to, not), /it was not all/);
  await assert.rejects(receive(['--files-from=/dev/null']), hasCode('GRID_COPY_FAILED'));
  assert.deepEqual(await readdir(to), []);
});
