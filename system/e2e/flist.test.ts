import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import {
  chmod,
  copyFile,
  mkdir,
  readdir,
  readFile,
  stat,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { test } from 'node:test';

import { waitFor } from '@commongrid/base';

import { Flists, makeTree } from './flist-process.ts';
import type { Made } from './flist-process.ts';
import { tempFolder, root, run } from './grid-process.ts';
import type { Ended } from './grid-process.ts';

test('an flist is made, looked into, compared, signed and verified', async () => {
  await using folder = await tempFolder();
  const flists = new Flists(folder.path);
  const tree = join(folder.path, 'tree');
  await makeTree(tree);
  const { digest } = await flists.json<Made>('create', tree);
  assert.equal((await flists.json<Made>('create', tree)).digest, digest);
  const short = digest.slice(0, 8);
  const listed = await flists.run('ls', short);
  assert.match(listed.stdout, /^-rwxr-xr-x .* bin\/run link to bin\/again$/m);
  assert.match(listed.stdout, /^lrwxrwxrwx .* start -> bin\/run$/m);
  const inspected = await flists.run('inspect', short);
  assert.match(inspected.stdout, /^ {2}links +1 symbolic, 1 hard$/m);
  const content = await flists.run('cat', short, '/start');
  assert.equal(content.stdout, await readFile(join(tree, 'bin/run'), 'utf8'));
  // More than a pipe holds, for a reader that leaves after ten bytes.
  const words = `'${join(root, 'grid')}' flist cat ${short} /large --repo '${folder.path}/repository'`;
  const cut = await run('sh', ['-c', `{ ${words}; echo "status $?" >&2; } | head -c 10`]);
  assert.deepEqual([cut.stdout, cut.stderr], ['abcabcabca', 'status 0\n']);
  const keyFile = join(folder.path, 'key');
  await run(join(root, 'grid'), ['bcdb', 'key', 'new', keyFile]);
  const { key } = await flists.json<{ readonly key: string }>('sign', short, '--key-file', keyFile);
  const verified = await flists.json<{ readonly signers: string[]; readonly missing: number }>(
    'verify',
    short,
  );
  assert.deepEqual(verified.signers, [key]);
  assert.equal(verified.missing, 0);
  await writeFile(join(tree, 'new'), 'new');
  const other = await flists.json<Made>('create', tree);
  const diff = await flists.run('diff', short, other.digest);
  assert.equal(diff.status, 1);
  assert.match(diff.stdout, /^\+ \/new$/m);
  const unknown = await flists.run('ls', 'ffffffff');
  assert.equal(unknown.status, 3);
  assert.match(unknown.stderr, /GRID_FLIST_UNKNOWN/);
});

test('an flist is mounted, read, written over, traced, and taken away', async () => {
  await using folder = await tempFolder();
  const flists = new Flists(folder.path);
  const tree = join(folder.path, 'tree');
  await makeTree(tree);
  await mkdir(join(tree, 'dev'));
  await copyFile('/bin/busybox', join(tree, 'bin/busybox'));
  const { digest } = await flists.json<Made>('create', tree);
  const target = join(folder.path, 'mounted');
  const over = join(folder.path, 'over');
  try {
    await flists.json('mount', digest, target);
    assert.deepEqual(await readFile(join(target, 'large')), await readFile(join(tree, 'large')));
    await assert.rejects(writeFile(join(target, 'new'), ''), { code: 'EROFS' });
    await flists.json('mount', digest, over, '--writable', join(folder.path, 'written'));
    await writeFile(join(over, 'new'), 'new');
    const { mounts } = await flists.json<{ readonly mounts: readonly Made[] }>('ps');
    assert.deepEqual(
      mounts.map((mount) => mount.digest),
      [digest, digest],
    );
    const words = ['--', '/bin/busybox', 'cat', '/bin/run'];
    const traced = await flists.json<Made & { readonly ranges: number }>('trace', digest, ...words);
    assert.notEqual(traced.digest, digest);
    assert.ok(traced.ranges >= 2);
  } finally {
    for (const one of [over, target]) await flists.run('umount', one);
  }
  // Whoever removes the folder next finds nothing mounted in it.
  assert.ok(!(await readFile('/proc/self/mountinfo', 'utf8')).includes(folder.path));
  assert.deepEqual(await readdir(target), []);
  assert.deepEqual((await flists.json<{ readonly mounts: unknown[] }>('ps')).mounts, []);
});

test('damage is found by a scrub, and content comes from the repository that is given', async () => {
  await using folder = await tempFolder();
  const flists = new Flists(folder.path);
  const tree = join(folder.path, 'tree');
  await makeTree(tree);
  const { digest } = await flists.json<Made>('create', tree);
  const target = join(folder.path, 'mounted');
  const second = join(folder.path, 'second');
  const other = ['--repo', join(folder.path, 'other')];
  try {
    await flists.json('mount', digest, target);
    const content = await readFile(join(tree, 'bin/run'), 'utf8');
    assert.equal(await readFile(join(target, 'bin/run'), 'utf8'), content);
    const sound = await flists.json<Scrubbed>('scrub');
    assert.deepEqual(sound.repository.badChunks, []);
    // As a disk does it: the file keeps its size and its times.
    const objects = join(folder.path, 'home/images/objects');
    const names = await readdir(objects, { recursive: true });
    const [name = ''] = names.filter((one) => /^..\/[0-9a-f]+$/.test(one));
    const { atime, mtime } = await stat(join(objects, name));
    await chmod(join(objects, name), 0o600);
    await writeFile(join(objects, name), 'X', { flag: 'r+' });
    await utimes(join(objects, name), atime, mtime);
    const found = await flists.run('scrub', '--json', '--rate', '1GiB');
    assert.equal(found.status, 1, found.stderr);
    assert.equal((JSON.parse(found.stdout) as Scrubbed).store?.badFiles, 1);
    assert.match((await flists.run('ps')).stdout, /content was damaged: grid flist remount /);
    const { mounts } = await flists.json<Mounts>('remount', target);
    assert.equal(mounts[0]?.isTainted, false);
    assert.equal(await readFile(join(target, 'bin/run'), 'utf8'), content);
    // It and its holder die, as nothing else of the machine does.
    for (const pid of await pidsWith(join(folder.path, 'home/images')))
      process.kill(pid, 'SIGKILL');
    await waitFor(async () => (await flists.json<Mounts>('ps')).lost === 1, {
      ...{ what: 'the end of the service', timeoutMs: 60_000, everyMs: 100 },
    });
    assert.equal((await flists.json<Mounts>('remount')).mounts.length, 1);
    assert.equal(await readFile(join(target, 'bin/run'), 'utf8'), content);

    // Its chunks are in another repository than those of what is mounted already.
    await writeFile(join(tree, 'bin/run'), 'another content');
    const { digest: newer } = await flists.json<Made>('create', tree, ...other);
    await flists.json('mount', newer, second, ...other);
    assert.equal(await readFile(join(second, 'bin/run'), 'utf8'), 'another content');
  } finally {
    for (const one of [second, target]) await flists.run('umount', one);
  }
});

interface Mounts {
  readonly mounts: readonly { readonly isTainted: boolean }[];
  readonly lost: number;
}

/** Processes that were started with a word. */
async function pidsWith(word: string): Promise<number[]> {
  const pids: number[] = [];
  for (const name of await readdir('/proc')) {
    // It may have ended, and threads of the kernel have no words.
    const line = await readFile(`/proc/${name}/cmdline`, 'utf8').catch(() => '');
    if (/^\d+$/.test(name) && line.split('\0').includes(word)) pids.push(Number(name));
  }
  return pids;
}

interface Scrubbed {
  readonly repository: { readonly badChunks: readonly string[] };
  readonly store: { readonly badFiles: number } | null;
}

test('a hub keeps what its users signed for, and gives it to anybody', async () => {
  await using folder = await tempFolder();
  const env = { GRID_HOME: join(folder.path, 'home') };
  const ask = (words: readonly string[]): Promise<Ended> => run(join(root, 'grid'), words, { env });
  const keyFile = join(folder.path, 'key');
  const otherKeyFile = join(folder.path, 'other-key');
  const { stdout } = await ask(['bcdb', 'key', 'new', keyFile, '--json']);
  await ask(['bcdb', 'key', 'new', otherKeyFile]);
  const { key } = JSON.parse(stdout) as { readonly key: string };
  const users = join(folder.path, 'users.json');
  await writeFile(users, JSON.stringify({ [key]: 'ada' }));
  const words = ['--data', join(folder.path, 'hub'), '--users', users, '--listen', '127.0.0.1:0'];
  await using hub = await HubProcess.open(words);
  const flists = new Flists(folder.path);
  const tree = join(folder.path, 'tree');
  await makeTree(tree);
  await copyFile('/bin/busybox', join(tree, 'bin/busybox'));
  const { digest } = await flists.json<Made>('create', tree);
  const ours = ['--repo', join(folder.path, 'repository'), '--url', hub.url];
  const upload = ['hub', 'upload', digest, 'ada/tools:1', '--sign', ...ours];
  const refused = await ask([...upload, '--key-file', otherKeyFile]);
  assert.equal(refused.status, 4, refused.stderr);
  const uploaded = await ask([...upload, '--key-file', keyFile]);
  assert.equal(uploaded.status, 0, uploaded.stderr);
  const again = await ask([...upload, '--key-file', keyFile, '--json']);
  assert.equal((JSON.parse(again.stdout) as { readonly movedBytes: number }).movedBytes, 0);
  const theirs = ['--repo', join(folder.path, 'theirs'), '--url', hub.url];
  const signers = await ask(['hub', 'signers', 'ada/tools:1', ...theirs]);
  assert.equal(signers.stdout.trim(), key);
  const listed = await ask(['hub', 'ls', 'ada/tools', ...theirs]);
  assert.match(listed.stdout, new RegExp(`^ada/tools:1 +${digest.slice(0, 12)} `));
  const missing = await ask(['hub', 'ls', 'ada/tools:2', ...theirs]);
  assert.equal(missing.status, 3, missing.stdout);
  const signed = [...theirs, '--key-file', keyFile];
  const saying = ['ada/tools', 'Saws and hammers', '--label', 'kind=tools'];
  const described = await ask(['hub', 'describe', ...saying, ...signed]);
  assert.equal(described.status, 0, described.stderr);
  const found = await ask(['hub', 'search', 'hammers', ...theirs]);
  assert.match(found.stdout, /^ada\/tools .* Saws and hammers$/m);
  const history = await ask(['hub', 'history', 'ada/tools:1', ...theirs]);
  assert.match(history.stdout, new RegExp(`^${digest.slice(0, 12)} .* ${key}$`, 'm'));
  const forgotten = await ask(['hub', 'history', 'ada/tools:1', '--forget', ...signed]);
  assert.match(forgotten.stdout, /^ada\/tools:1 has forgotten \d+ images?$/m, forgotten.stderr);
  const fetched = await ask(['hub', 'download', 'ada/tools:1', ...theirs]);
  assert.match(fetched.stdout, new RegExp(`^${digest}\n`), fetched.stderr);
  const verified = await ask(['flist', 'verify', digest, ...theirs.slice(0, 2)]);
  assert.equal(verified.status, 0, verified.stdout);
  assert.match(verified.stdout, new RegExp(`^signed by ${key}$`, 'm'));

  // Traced where nothing of it was so far, from the hub.
  const fresh = ['--repo', join(folder.path, 'fresh'), '--store', join(folder.path, 'store')];
  await ask(['flist', 'sources', 'add', hub.url, ...fresh]);
  const start = ['--', '/bin/busybox', 'true'];
  const traced = await ask(['flist', 'trace', 'ada/tools:1', '--json', ...fresh, ...start]);
  assert.equal(traced.status, 0, traced.stderr);
  const { digest: newer } = JSON.parse(traced.stdout) as Made;
  const whole = await ask(['flist', 'verify', newer, ...fresh.slice(0, 2)]);
  assert.equal(whole.status, 0, whole.stdout + whole.stderr);
});

/** A hub in a process of its own, until the test ends. */
class HubProcess implements AsyncDisposable {
  readonly url: string;
  readonly #child: ChildProcess;

  private constructor(url: string, child: ChildProcess) {
    this.url = url;
    this.#child = child;
  }

  static async open(words: readonly string[]): Promise<HubProcess> {
    const { NODE_TEST_CONTEXT: _runner, ...env } = process.env;
    const child = spawn(join(root, 'grid'), ['hub', 'serve', ...words, '--json'], {
      env,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    for await (const line of createInterface({ input: child.stdout })) {
      const { url } = JSON.parse(line) as { readonly url: string };
      return new HubProcess(url, child);
    }
    throw new Error('the hub ended before it listened');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const ended = once(this.#child, 'exit');
    this.#child.kill('SIGTERM');
    await ended;
  }
}
