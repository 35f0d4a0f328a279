import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { spawn } from 'node:child_process';
import { rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { waitFor } from '@commongrid/base';
import { tempFolder } from '@commongrid/base/testing';
import type { Reply } from '@commongrid/resp';
import { manifestKey } from '../src/manifest/manifest.ts';
import { Stor } from '../src/stor.ts';
import type { StorOptions } from '../src/stor.ts';
import { fourPlusTwo, mebibyte, randomBytesOf, randomPieces } from './support/cluster.ts';
import { ZdbProcess } from './support/zdb-process.ts';

/** Six servers in processes of their own, named by a backends file. */
class StoreFixture implements AsyncDisposable {
  readonly folder: string;
  readonly servers: readonly ZdbProcess[];
  readonly backendsFile: string;
  readonly #stack: AsyncDisposableStack;

  constructor(folder: string, servers: readonly ZdbProcess[], stack: AsyncDisposableStack) {
    this.folder = folder;
    this.servers = servers;
    this.backendsFile = backendsFileIn(folder);
    this.#stack = stack;
  }

  static async open(): Promise<StoreFixture> {
    await using stack = new AsyncDisposableStack();
    const { path } = stack.use(await tempFolder('stor'));
    const servers = await Promise.all(
      Array.from({ length: 6 }, async (_, at) => {
        const names = ['shards', 'log'];
        return stack.use(await ZdbProcess.open(join(path, `node-${at}`), names));
      }),
    );
    const entries = servers.map(({ port }, at) => {
      const place = { node: `node-${at}`, farm: `farm-${at}`, country: 'BE' };
      return { address: `127.0.0.1:${port}`, namespace: 'shards', log: 'log', ...place };
    });
    await writeFile(backendsFileIn(path), JSON.stringify(entries));
    return new StoreFixture(path, servers, stack.move());
  }

  options(head: string): StorOptions {
    return {
      folder: join(this.folder, head),
      backendsFile: this.backendsFile,
      keyFile: join(this.folder, 'key'),
      policy: fourPlusTwo,
    };
  }

  begin(head: string): Promise<Stor> {
    return Stor.open({ ...this.options(head), canBegin: true });
  }

  async kill(...places: readonly number[]): Promise<void> {
    for (const at of places) await this.servers[at]?.kill();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
  }
}

function backendsFileIn(folder: string): string {
  return join(folder, 'backends.json');
}

const size = 5 * mebibyte + 77;

async function readAll(stor: Stor, name: string, from?: number, to?: number): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const bytes of stor.get(name, { from, to })) parts.push(Buffer.from(bytes));
  return Buffer.concat(parts);
}

function namesIn(stor: Stor, prefix?: string, after?: string): string[] {
  return stor.list(prefix, after).map(({ name }) => name);
}

test('files come back with two servers killed, and from another head', async () => {
  await using fixture = await StoreFixture.open();
  const bytes = randomBytesOf(size, 'large');
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  await assert.rejects(Stor.open(fixture.options('first')), { code: 'ZSTOR_STORE_UNKNOWN' });
  {
    await using first = await fixture.begin('first');
    const put = await first.put('a/large', randomPieces(size, 'large'));
    assert.deepEqual([put.sizeBytes, put.sha256], [size, sha256]);
    await first.put('a/small', [Buffer.from('small')]);
    await first.put('b', []);
    assert.deepEqual(namesIn(first), ['a/large', 'a/small', 'b']);
    assert.deepEqual(namesIn(first, 'a/', 'a/large'), ['a/small']);
    await fixture.kill(1, 4);
    assert.equal((await readAll(first, 'a/large')).equals(bytes), true);
    const part = await readAll(first, 'a/large', 4 * mebibyte - 3, 4 * mebibyte + 3);
    assert.equal(part.equals(bytes.subarray(4 * mebibyte - 3, 4 * mebibyte + 3)), true);
    const check = await first.check('a/large');
    assert.deepEqual(
      [check.chunks, check.shards, check.present, check.away, check.unreadableChunks],
      [2, 12, 8, 4, 0],
    );
    await first.put('b', [Buffer.from('another b')]);
  }
  const { mode } = await stat(join(fixture.folder, 'key'));
  assert.equal(mode & 0o777, 0o600);
  await using second = await Stor.open(fixture.options('second'));
  assert.equal((await readAll(second, 'a/large')).equals(bytes), true);
  assert.equal((await readAll(second, 'b')).toString(), 'another b');
  await second.remove('a/small');
  await assert.rejects(second.remove('a/small'), { code: 'ZSTOR_FILE_UNKNOWN' });
  await assert.rejects(readAll(second, 'a/small'), { code: 'ZSTOR_FILE_UNKNOWN' });
  assert.deepEqual(namesIn(second), ['a/large', 'b']);
});

test('a head that another took over from answers nothing any more', async () => {
  await using fixture = await StoreFixture.open();
  await using first = await fixture.begin('first');
  await first.put('one', [Buffer.from('1')]);
  await using second = await Stor.open(fixture.options('second'));
  assert.deepEqual(namesIn(second), ['one']);
  assert.throws(() => first.list(), { code: 'ZSTOR_CATALOG_NOT_SERVING' });
  // Nor does it come back after a while.
  const untilMs = performance.now() + 4_000;
  while (performance.now() < untilMs) await second.put('two', [Buffer.from('2')]);
  assert.deepEqual(namesIn(second), ['one', 'two']);
  assert.throws(() => first.list(), { code: 'ZSTOR_CATALOG_NOT_SERVING' });
});

test('a head that lost the majority of the log for a while goes on when it is back', async () => {
  await using fixture = await StoreFixture.open();
  await using stor = await fixture.begin('first');
  await stor.put('before', [Buffer.from('1')]);
  await stor.put('gone', []);
  const signalAll = (signal: NodeJS.Signals): void => {
    for (const { pid } of fixture.servers.slice(1)) process.kill(pid, signal);
  };
  signalAll('SIGSTOP');
  try {
    await assert.rejects(stor.remove('gone'), { code: 'ZSTOR_CATALOG_RESULT_UNKNOWN' });
    assert.equal(isRefused(stor), true);
  } finally {
    signalAll('SIGCONT');
  }
  await waitFor(() => !isRefused(stor), { timeoutMs: 60_000, what: 'another take-over' });
  await stor.put('after', [Buffer.from('2')]);
  assert.equal((await readAll(stor, 'before')).toString(), '1');
  const names = namesIn(stor).filter((name) => name !== 'gone');
  assert.deepEqual(names, ['after', 'before']);
});

function isRefused(stor: Stor): boolean {
  try {
    stor.list();
    return false;
  } catch {
    return true;
  }
}

test('the tables come back out of a snapshot on the backends, with two of them lost', async () => {
  await using fixture = await StoreFixture.open();
  const bytes = randomBytesOf(size, 'kept');
  {
    await using first = await fixture.begin('first');
    await first.put('kept', [bytes]);
    for (let times = 0; times < 3; times++) await first.takeSnapshot();
    await first.tidy();
    await first.put('later', [Buffer.from('later')]);
  }
  await rm(join(fixture.folder, 'first'), { recursive: true });
  await fixture.kill(0, 3);
  await using again = await Stor.open(fixture.options('first'));
  assert.deepEqual(namesIn(again), ['kept', 'later']);
  assert.equal((await readAll(again, 'kept')).equals(bytes), true);
});

test('manifests of puts that were killed go, those of files stay', async () => {
  await using fixture = await StoreFixture.open();
  await using first = await fixture.begin('first');
  await first.put('kept', [Buffer.from('kept')]);
  const [server] = fixture.servers;
  assert.ok(server);
  await using client = await server.connect();
  await client.command(['SELECT', 'shards']);
  const left = manifestKey(Buffer.alloc(16, 7), 0);
  await client.command(['SET', left, 'of a put that was killed']);
  const none = (): Reply => [];
  const manifests = async (): Promise<number> => {
    const counts = fixture.servers.map(async (each) => {
      await using asked = await each.connect();
      await asked.command(['SELECT', 'shards']);
      const reply = await asked.command(['KSCAN', 'M']).catch(none);
      return Array.isArray(reply) && Array.isArray(reply[1]) ? reply[1].length : 0;
    });
    return (await Promise.all(counts)).reduce((sum, count) => sum + count, 0);
  };
  await waitFor(async () => (await manifests()) === 4, { what: 'copies', timeoutMs: 60_000 });
  await first.tidy();
  assert.equal(await client.command(['GET', left]), null);
  assert.equal(await manifests(), 3);
});

test('a store begins only where all that may keep its log answer', async () => {
  await using fixture = await StoreFixture.open();
  await fixture.kill(5);
  await assert.rejects(fixture.begin('first'), { code: 'ZSTOR_CATALOG_MEMBER_FAILED' });
  await assert.rejects(stat(join(fixture.folder, 'key')), { code: 'ENOENT' });
  await fixture.servers[5]?.restart();
  await using first = await fixture.begin('first');
  assert.deepEqual(namesIn(first), []);
});

test('a key that is missing or of another store opens nothing', async () => {
  await using fixture = await StoreFixture.open();
  await (await fixture.begin('first')).close();
  const elsewhere = { ...fixture.options('second'), keyFile: join(fixture.folder, 'other') };
  await assert.rejects(Stor.open({ ...elsewhere, canBegin: true }), { code: 'ZSTOR_KEY_MISSING' });
  await writeFile(elsewhere.keyFile, Buffer.alloc(32, 1).toString('base64url'));
  await assert.rejects(Stor.open(elsewhere), { code: 'ZSTOR_CATALOG_RECORD_CORRUPT' });
});

test('a put that is killed half way leaves nothing of its file', async () => {
  await using fixture = await StoreFixture.open();
  await using first = await fixture.begin('first');
  await first.put('before', [Buffer.from('before')]);
  await first.close();
  const { NODE_TEST_CONTEXT: _runner, ...env } = process.env;
  const program = join(import.meta.dirname, 'processes/endless-put.ts');
  const words = [program, JSON.stringify(fixture.options('killed'))];
  const child = spawn(process.execPath, words, { env, stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = once(child, 'exit');
  let printed = '';
  child.stdout.on('data', (text: Buffer) => (printed += text.toString()));
  await waitFor(() => printed.includes('half way'), { timeoutMs: 60_000, what: 'the put' });
  child.kill('SIGKILL');
  await ended;
  await using second = await Stor.open(fixture.options('killed'));
  assert.deepEqual(namesIn(second), ['before']);
  await second.put('half', [Buffer.from('whole')]);
  assert.equal((await readAll(second, 'half')).toString(), 'whole');
});
