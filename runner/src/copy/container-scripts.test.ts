import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readdir, readFile, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { buffer, text } from 'node:stream/consumers';
import { test } from 'node:test';

import { tempFolder } from '@commongrid/base/testing';

import { placeTakenStatus, receiveScript, sendScript } from './container-scripts.ts';
import { receiveTree } from './receive-tree.ts';

const programs = ['sh', 'tar', 'mktemp', 'mv', 'rm'];
const long = `${'n'.repeat(150)}.txt`;

/** A place in which there are the programs of busybox alone, as in a small image. */
async function openImage() {
  const folder = await tempFolder('image');
  const at = (...names: string[]): string => join(folder.path, ...names);
  await mkdir(at('bin'));
  for (const name of programs) await symlink('/bin/busybox', at('bin', name));
  await mkdir(at('from/site'), { recursive: true });
  await mkdir(at('data'));
  await writeFile(at('from/site', long), 'hello', { mode: 0o741 });
  const start = (script: string, ...words: string[]) =>
    spawn(at('bin/sh'), ['-c', script, 'sh', ...words], {
      env: { PATH: at('bin') },
      stdio: ['pipe', 'pipe', 'pipe'],
    });
  const receive = async (place: string, name = 'site') => {
    const child = start(receiveScript, place, name);
    const tar = spawn('tar', ['-c', '--format=gnu', '-C', at('from'), '--', `./${name}`]);
    const said = text(child.stderr);
    const ended = once(child, 'close') as Promise<[number]>;
    // A script that refuses does not read.
    await pipeline(tar.stdout.pipe(new PassThrough()), child.stdin).catch(() => {});
    const [status] = await ended;
    return { status, said: await said };
  };
  return { at, start, receive, [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose]() };
}

test('the programs of busybox take what is sent, into a folder or as a new name', async () => {
  await using image = await openImage();
  const { at, receive } = image;
  for (const place of ['data', 'data/second']) assert.equal((await receive(at(place))).status, 0);
  for (const path of ['data/site', 'data/second']) {
    assert.equal(await readFile(at(path, long), 'utf8'), 'hello');
    assert.equal((await stat(at(path, long))).mode & 0o7777, 0o741);
  }
  const again = await receive(at('data'));
  assert.equal(again.status, placeTakenStatus);
  assert.match(again.said, /^there is a folder .*\/data\/site already$/m);
  const nowhere = await receive(at('none/site'));
  assert.deepEqual([nowhere.status, nowhere.said], [1, `there is no folder ${at('none')}\n`]);
  assert.deepEqual((await readdir(at('data'))).toSorted(), ['second', 'site']);
});

test('what the programs of busybox take is whole, or nothing is there', async () => {
  await using image = await openImage();
  const { at, start } = image;
  const child = start(receiveScript, at('data'), 'site');
  const tar = spawn('tar', ['-c', '--format=gnu', '-C', at('from'), './site']);
  const bytes = await buffer(tar.stdout);
  child.stdin.on('error', () => {}).end(bytes.subarray(0, 700));
  const [status] = (await once(child, 'close')) as [number];
  assert.notEqual(status, 0);
  assert.deepEqual(await readdir(at('data')), []);
});

test('what the programs of busybox send is received as it was', async () => {
  await using image = await openImage();
  const { at, start } = image;
  const child = start(sendScript, at('from/site'));
  const ended = once(child, 'close') as Promise<[number]>;
  const isWhole = async (): Promise<void> => assert.equal((await ended)[0], 0);
  const got = await receiveTree(child.stdout.pipe(new PassThrough()), {
    ...{ name: 'site', to: at('data'), isWhole },
  });
  assert.equal(await readFile(join(got.path, long), 'utf8'), 'hello');
  assert.equal((await stat(join(got.path, long))).mode & 0o7777, 0o741);
  const missing = start(sendScript, at('from/nothing'));
  missing.stdout.resume();
  assert.notEqual((await once(missing, 'close'))[0], 0);
});

test('GNU tar sends what is there, whatever it is called', async () => {
  await using image = await openImage();
  const { at } = image;
  for (const name of ['a\\nb', '-c', 'a\nb', 'a b*']) {
    await mkdir(at('from', name));
    await writeFile(at('from', name, 'page'), 'hello');
    const child = spawn('sh', ['-c', sendScript, 'sh', at('from', name)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const ended = once(child, 'close') as Promise<[number]>;
    const isWhole = async (): Promise<void> => assert.equal((await ended)[0], 0);
    const tar = child.stdout.pipe(new PassThrough());
    const got = await receiveTree(tar, { name, to: at('data'), isWhole });
    assert.equal(await readFile(join(got.path, 'page'), 'utf8'), 'hello');
  }
});
