import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFile, mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';

import { waitFor } from '@commongrid/base';

import { Flists, makeTree } from './flist-process.ts';
import type { Made } from './flist-process.ts';
import { root, run, tempFolder } from './grid-process.ts';

interface Failure {
  readonly code: string;
  readonly hint?: string;
}

/** A folder with an image in a repository, and the digest of it. */
async function withImage(folder: string): Promise<{ flists: Flists; digest: string }> {
  const flists = new Flists(folder);
  const tree = join(folder, 'tree');
  await makeTree(tree);
  await mkdir(join(tree, 'dev'));
  await copyFile('/bin/busybox', join(tree, 'bin/busybox'));
  const { digest } = await flists.json<Made>('create', tree);
  return { flists, digest };
}

test('a mistake ends with its code, a next step and a status that says which kind it is', async () => {
  await using folder = await tempFolder();
  const { flists, digest } = await withImage(folder.path);
  const file = join(folder.path, 'file');
  await writeFile(file, 'no tar');
  const target = join(folder.path, 'target');
  const mistakes: readonly (readonly [words: string[], code: string, status: number])[] = [
    [['create', join(folder.path, 'none')], 'GRID_FILE_UNREADABLE', 3],
    [['create', file], 'FLIST_TAR_INVALID', 2],
    [['create', folder.path, '--repo', file], 'GRID_SYSTEM_REFUSED', 1],
    [['ls', 'abc'], 'GRID_FLIST_UNKNOWN', 3],
    [['cat', digest, '/bin'], 'GRID_FLIST_PATH', 3],
    [['import', `oci:${folder.path}`], 'FLIST_LAYOUT_INVALID', 2],
    [['import', 'ubuntu'], 'FLIST_REFERENCE_INVALID', 2],
    [['mount', digest, file], 'GRID_FLIST_PATH', 3],
    [['mount', digest, target, '--shift', 'many'], 'GRID_USAGE', 2],
    [['mount', digest, target, '--writable', join(target, 'over')], 'GRID_USAGE', 2],
    [['umount', target], 'GRID_FLIST_PATH', 3],
    [['trace', digest, '/bin/none'], 'GRID_START_FAILED', 1],
  ];
  for (const [words, code, status] of mistakes) {
    const [verb = '', ...rest] = words;
    const ended = await flists.run(verb, ...rest, '--json');
    const failure = JSON.parse(ended.stdout) as Failure;
    assert.equal(failure.code, code, ended.stderr);
    assert.equal(ended.status, status);
    assert.ok(failure.hint, code);
    assert.doesNotMatch(ended.stderr, /^ +at /m);
  }
  // Of several chunks, so that some are still read when the first has failed.
  const fill = ['flist', 'sources', 'fill', 'zdb://127.0.0.1:1/none', digest];
  const repository = ['--repo', join(folder.path, 'repository')];
  const env = { GRID_HOME: join(folder.path, 'home') };
  const filled = await run(join(root, 'grid'), [...fill, ...repository], { env });
  assert.match(filled.stderr, /^grid: FLIST_SOURCE_FAILED: .* cannot connect .*\nnext: /);
  const hub = await run(join(root, 'grid'), ['hub', 'ls', '--url', 'nowhere']);
  assert.equal(hub.status, 2, hub.stderr);
  const listed = await flists.run('ls', digest, '/bin/run');
  assert.match(listed.stdout, /^-rwxr-xr-x .* run\n$/);
});

test('what is mounted is not removed, and what a program uses is not unmounted', async () => {
  await using folder = await tempFolder();
  const { flists, digest } = await withImage(folder.path);
  const target = join(folder.path, 'odd, name:é');
  await flists.json('mount', digest, target);
  try {
    const removed = await flists.run('rm', digest);
    assert.equal(removed.status, 5, removed.stderr);
    const user = spawn('sleep', ['60'], { cwd: target, stdio: 'ignore' });
    try {
      const unmounted = await flists.run('umount', target);
      assert.equal(unmounted.status, 5, unmounted.stderr);
      assert.match(unmounted.stderr, /GRID_FLIST_IN_USE/);
    } finally {
      const ended = once(user, 'exit');
      user.kill('SIGKILL');
      await ended;
    }
  } finally {
    const { status, stderr } = await flists.run('umount', target);
    assert.equal(status, 0, stderr);
  }
  assert.deepEqual(await readdir(target), []);
});

test('a trace that is stopped takes its mount away, and keeps nothing', async () => {
  await using folder = await tempFolder();
  const { flists, digest } = await withImage(folder.path);
  const { NODE_TEST_CONTEXT: _runner, ...env } = process.env;
  const repository = ['--repo', join(folder.path, 'repository')];
  const words = ['flist', 'trace', ...repository, digest, '--', '/bin/busybox', 'sleep', '60'];
  const trace = spawn(join(root, 'grid'), words, {
    env: { ...env, GRID_HOME: join(folder.path, 'home') },
    stdio: 'ignore',
  });
  const ended = once(trace, 'exit');
  const mounts = async (): Promise<readonly unknown[]> =>
    (await flists.json<{ readonly mounts: readonly unknown[] }>('ps')).mounts;
  await waitFor(async () => (await mounts()).length > 0, {
    ...{ what: 'a mount', timeoutMs: 60_000, everyMs: 100 },
  });
  trace.kill('SIGINT');
  const [status] = (await ended) as [number | null];
  assert.equal(status, 1);
  assert.deepEqual(await mounts(), []);
  const { digests } = await flists.json<{ readonly digests: readonly string[] }>('list');
  assert.deepEqual(digests, [digest]);
});

test('mounts at once share one service, also when the one before is just about to end', async () => {
  await using folder = await tempFolder();
  const { flists, digest } = await withImage(folder.path);
  const targets = ['a', 'b', 'c'].map((name) => join(folder.path, name));
  for (let round = 0; round < 2; round++) {
    const mounted = await Promise.all(targets.map((one) => flists.run('mount', digest, one)));
    const unmounted = await Promise.all(targets.map((one) => flists.run('umount', one)));
    for (const { status, stderr } of [...mounted, ...unmounted]) assert.equal(status, 0, stderr);
  }
});
