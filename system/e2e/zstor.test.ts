import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { test } from 'node:test';

import { RespClient } from '@commongrid/resp';

import { root, run, tempFolder } from './grid-process.ts';
import type { Ended } from './grid-process.ts';

const grid = join(root, 'grid');

/** Six Zero-DBs in processes of their own, and the command on a store over them. */
class TestStore implements AsyncDisposable {
  readonly path: string;
  readonly #servers: readonly ChildProcess[];
  readonly #folder: AsyncDisposable;

  constructor(
    folder: AsyncDisposable & { readonly path: string },
    servers: readonly ChildProcess[],
  ) {
    this.path = folder.path;
    this.#folder = folder;
    this.#servers = servers;
  }

  static async open(): Promise<TestStore> {
    const folder = await tempFolder();
    const places = [0, 1, 2, 3, 4, 5];
    const servers = await Promise.all(
      places.map((at) => startServer(join(folder.path, `node-${at}`))),
    );
    const entries = servers.map(({ address }, at) => {
      const place = { node: `node-${at}`, farm: `farm-${at}`, country: 'BE' };
      return { address, namespace: 'shards', log: 'log', ...place };
    });
    await writeFile(join(folder.path, 'backends.json'), JSON.stringify(entries));
    return new TestStore(
      folder,
      servers.map(({ child }) => child),
    );
  }

  file(name: string): string {
    return join(this.path, name);
  }

  run(...words: string[]): Promise<Ended> {
    const backends = ['--backends', this.file('backends.json')];
    const data = words[0] === 'plan' ? [] : ['--data', this.file('store')];
    return run(grid, ['zstor', ...words, ...backends, ...data, '--json']);
  }

  async json<T>(...words: string[]): Promise<T> {
    const { status, stdout, stderr } = await this.run(...words);
    assert.equal(status, 0, `${words.join(' ')}: ${stdout}${stderr}`);
    return JSON.parse(stdout) as T;
  }

  async kill(...places: readonly number[]): Promise<void> {
    for (const at of places) {
      const server = this.#servers[at];
      if (server === undefined || server.exitCode !== null || server.signalCode !== null) continue;
      const ended = once(server, 'exit');
      server.kill('SIGKILL');
      await ended;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill(...this.#servers.keys());
    await this.#folder[Symbol.asyncDispose]();
  }
}

async function startServer(data: string): Promise<{ child: ChildProcess; address: string }> {
  const { NODE_TEST_CONTEXT: _runner, ...env } = process.env;
  const words = ['zdb', 'serve', '--data', data, '--listen', '127.0.0.1:0', '--json'];
  const child = spawn(grid, words, { env, stdio: ['ignore', 'pipe', 'ignore'] });
  const [line] = (await once(createInterface({ input: child.stdout }), 'line')) as [string];
  const [address = ''] = (JSON.parse(line) as { readonly addresses: readonly string[] }).addresses;
  await using client = await RespClient.connect({ port: Number(address.split(':').at(-1)) });
  for (const name of ['shards', 'log']) await client.command(['NSNEW', name]);
  return { child, address };
}

interface Result {
  readonly code?: string;
  readonly verdict?: string;
  readonly away?: number;
}

function resultOf({ stdout }: Ended): Result {
  return JSON.parse(stdout) as Result;
}

function codeOf(ended: Ended): string | undefined {
  return resultOf(ended).code;
}

test('a file is kept 4+2, and comes back with two of six servers killed', async () => {
  await using store = await TestStore.open();
  const plan = await store.json<{ nodesSurvived: number; verdict: string }>(
    ...['plan', '--shards', '4+2'],
  );
  assert.equal(plan.nodesSurvived, 2);
  const refused = await store.run('plan');
  assert.deepEqual([refused.status, resultOf(refused).verdict], [1, 'refused']);
  const bytes = randomBytes(5_000_000);
  await writeFile(store.file('photo'), bytes);
  const early = await store.run('ls');
  assert.deepEqual([early.status, codeOf(early)], [3, 'ZSTOR_STORE_UNKNOWN']);
  const put = await store.json<{ sha256: string; shards: string }>(
    ...['put', store.file('photo'), 'album/photo', '--shards', '4+2'],
  );
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  assert.deepEqual([put.sha256, put.shards], [sha256, '4+2']);
  assert.equal((await stat(store.file('store/key'))).mode & 0o777, 0o600);
  const whole = await store.json<{ present: number; shards: number }>('check', 'album/photo');
  assert.deepEqual([whole.present, whole.shards], [12, 12]);
  await store.kill(0, 3);
  const part = await store.run('check', 'album/photo');
  assert.deepEqual([part.status, resultOf(part).away], [1, 4]);
  const got = await store.json<{ sha256: string }>('get', 'album/photo', store.file('copy'));
  assert.equal(got.sha256, sha256);
  assert.equal((await readFile(store.file('copy'))).equals(bytes), true);
  const again = await store.run('get', 'album/photo', store.file('copy'));
  assert.deepEqual([again.status, codeOf(again)], [5, 'GRID_FILE_EXISTS']);
  const { files } = await store.json<{ files: readonly { name: string }[] }>('ls', 'album/');
  assert.deepEqual(
    files.map(({ name }) => name),
    ['album/photo'],
  );
  await store.json('rm', 'album/photo');
  const gone = await store.run('get', 'album/photo', store.file('none'));
  assert.deepEqual([gone.status, codeOf(gone)], [3, 'ZSTOR_FILE_UNKNOWN']);
});

test('what is lost is made again on demand, and a backend is emptied', async () => {
  await using store = await TestStore.open();
  const bytes = randomBytes(5_000_000);
  await writeFile(store.file('photo'), bytes);
  await store.json('put', store.file('photo'), 'photo', '--shards', '4+2');
  interface Status {
    readonly missingShards: number;
    readonly backends: readonly { readonly name: string; readonly shards: number }[];
  }
  const { backends } = await store.json<Status>('status');
  assert.equal(backends.length, 6);
  const [first, second] = backends.map(({ name }) => name);
  assert.ok(first !== undefined && second !== undefined);
  const stays = await store.run('drain', first);
  assert.deepEqual([stays.status, shardsOf(stays)], [1, 2]);
  await store.json('drain', first, '--undo');
  await store.kill(0, 3);
  const repaired = await store.json<Status>('repair');
  assert.equal(repaired.missingShards, 0);
  const whole = await store.json<{ present: number }>('check', 'photo');
  assert.equal(whole.present, 12);
  const scrubbed = await store.json<{ shards: number; faults: number }>('scrub');
  assert.deepEqual([scrubbed.shards, scrubbed.faults], [12, 0]);
  const unknown = await store.run('drain', 'nowhere:1/x');
  assert.equal(codeOf(unknown), 'ZSTOR_BACKEND_UNKNOWN');
  await store.json('get', 'photo', store.file('copy'));
  assert.equal((await readFile(store.file('copy'))).equals(bytes), true);
});

function shardsOf({ stdout }: Ended): number {
  return (JSON.parse(stdout) as { readonly shards: number }).shards;
}
