import assert from 'node:assert/strict';
import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { waitFor } from '@commongrid/base';
import { tempFolder } from '@commongrid/base/testing';
import type { BackendSpec } from '../src/backends/backends-file.ts';
import { readBackendsFile } from '../src/backends/backends-file.ts';
import { KeyRing } from '../src/stor/key-ring.ts';
import type { KeyRingOptions } from '../src/stor/key-ring.ts';
import { insertKey, keyTables } from '../src/stor/key-tables.ts';
import { StorKeys } from '../src/stor/stor-keys.ts';
import { ZdbProcess } from '../src/testing/zdb-process.ts';
import { MemoryTables } from '../src/testing/memory-tables.ts';

const keys = new StorKeys(Buffer.alloc(32, 1));
const blobId = Buffer.alloc(16, 2);
const blobKey = Buffer.alloc(32, 3);

/** A test says itself when holders are looked at. */
const never = 3_600_000;

/** Servers in processes of their own, each with a namespace for keys. */
class RingFixture implements AsyncDisposable {
  readonly folder: string;
  readonly servers: readonly ZdbProcess[];
  readonly specs: readonly BackendSpec[];
  readonly tables = new MemoryTables(keyTables);
  readonly #stack: AsyncDisposableStack;

  constructor(
    folder: string,
    servers: readonly ZdbProcess[],
    specs: readonly BackendSpec[],
    stack: AsyncDisposableStack,
  ) {
    this.folder = folder;
    this.servers = servers;
    this.specs = specs;
    this.#stack = stack;
  }

  static async open(count: number): Promise<RingFixture> {
    await using stack = new AsyncDisposableStack();
    const { path } = stack.use(await tempFolder('ring'));
    const servers = await Promise.all(
      Array.from({ length: count }, async (_, at) => {
        return stack.use(await ZdbProcess.open(join(path, `node-${at}`), ['shards', 'keys']));
      }),
    );
    const entries = servers.map(({ port }, at) => ({
      ...{ address: `127.0.0.1:${port}`, namespace: 'shards', keys: 'keys' },
      ...{ node: `node-${at}`, farm: 'attic', country: 'BE' },
    }));
    const file = join(path, 'backends.json');
    await writeFile(file, JSON.stringify(entries));
    return new RingFixture(path, servers, await readBackendsFile(file), stack.move());
  }

  ring(timing: Partial<KeyRingOptions> = { lookEveryMs: never, glanceEveryMs: never }): KeyRing {
    const { tables, specs } = this;
    const options = { keys, tables, parityShards: 1, specs: () => specs, ...timing };
    return this.#stack.use(new KeyRing(options));
  }

  async count(at: number): Promise<number> {
    await using client = await this.servers[at]?.connect();
    await client?.command(['SELECT', 'keys']);
    return Number(await client?.command(['DBSIZE']));
  }

  async record(at: number, no: number): Promise<Buffer> {
    await using client = await this.servers[at]?.connect();
    await client?.command(['SELECT', 'keys']);
    const key = Buffer.from('K....');
    key.writeUInt32BE(no, 1);
    const value = await client?.command(['GET', key]);
    assert.ok(Buffer.isBuffer(value));
    return value;
  }

  async wipe(at: number): Promise<void> {
    const server = this.servers[at];
    await server?.kill();
    await rm(server?.dataDir ?? '', { recursive: true });
    await server?.restart();
    await server?.makeNamespaces(['shards', 'keys']);
  }

  /** Whether any file of a server has these bytes. */
  async hasOnDisk(at: number, bytes: Uint8Array): Promise<boolean> {
    const folder = this.servers[at]?.dataDir ?? '';
    const entries = await readdir(folder, { recursive: true, withFileTypes: true });
    const files = entries.filter((entry) => entry.isFile());
    const contents = await Promise.all(
      files.map((file) => readFile(join(file.parentPath, file.name))),
    );
    return contents.some((content) => content.includes(bytes));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
  }
}

test('a key of a bucket is kept by a majority, read by another head, and erased from disks', async () => {
  await using fixture = await RingFixture.open(3);
  const ring = fixture.ring();
  await fixture.servers[2]?.kill();
  const no = await ring.create();
  const wrapped = ring.loaded(no).wrap(blobId, blobKey);
  const other = fixture.ring();
  assert.throws(() => other.loaded(no), { code: 'ZSTOR_KEY_NOT_LOADED' });
  assert.deepEqual((await other.wrapperOf(no)).unwrap(blobId, wrapped), blobKey);
  assert.throws(() => keys.own.unwrap(blobId, wrapped), { code: 'ZSTOR_KEY_INVALID' });
  await fixture.servers[1]?.kill();
  await assert.rejects(ring.create(), { code: 'ZSTOR_KEYS_TOO_FEW' });
  await fixture.servers[1]?.restart();
  await fixture.servers[2]?.restart();

  await ring.look();
  assert.equal(await fixture.count(2), 1, 'who was away has the key now');
  const record = await fixture.record(0, no);
  assert.equal(await fixture.hasOnDisk(0, record), true);
  await fixture.servers[1]?.kill();
  assert.deepEqual(await ring.erase(no), [`127.0.0.1:${fixture.servers[1]?.port}/keys`]);
  assert.throws(() => ring.loaded(no), { code: 'ZSTOR_KEY_NOT_LOADED' });
  await assert.rejects(ring.wrapperOf(no), { code: 'ZSTOR_KEY_ERASED' });
  await fixture.servers[1]?.restart();
  await ring.look();
  assert.deepEqual(await ring.erase(no), []);
  assert.deepEqual(await Promise.all([0, 1, 2].map((at) => fixture.hasOnDisk(at, record))), [
    false,
    false,
    false,
  ]);
});

test('a holder that was emptied is filled again, and one that stays away is replaced', async () => {
  await using fixture = await RingFixture.open(4);
  const ring = fixture.ring();
  const numbers = [await ring.create(), await ring.create()];
  await fixture.wipe(0);
  assert.equal(await fixture.count(0), 0);
  await ring.look();
  assert.equal(await fixture.count(0), 2);
  assert.equal(await fixture.count(3), 0);
  await fixture.servers[1]?.kill();
  await ring.replaceHolder(`127.0.0.1:${fixture.servers[1]?.port}/keys`);
  await waitFor(async () => (await fixture.count(3)) === 2, {
    timeoutMs: 60_000,
    what: 'the copy',
  });
  await fixture.servers[0]?.kill();
  const other = fixture.ring();
  for (const no of numbers) assert.equal((await other.wrapperOf(no)).no, no);
});

test('a holder whose namespace another one took the place of is replaced within seconds', async () => {
  await using fixture = await RingFixture.open(4);
  const [first, lost, third, next] = fixture.specs;
  assert.ok(first !== undefined && lost !== undefined && third !== undefined && next !== undefined);
  let specs = [first, lost, third];
  const ring = fixture.ring({ lookEveryMs: never, glanceEveryMs: 20, specs: () => specs });
  await ring.create();
  await fixture.servers[1]?.kill();
  specs = [first, third, { ...next, replaces: [`127.0.0.1:${fixture.servers[1]?.port}/keys`] }];
  await waitFor(async () => (await fixture.count(3)) === 1, { timeoutMs: 60_000, what: 'keys' });
  assert.equal(await fixture.count(0), 1);
});

test('a holder that was emptied is filled within seconds, without a look at all keys', async () => {
  await using fixture = await RingFixture.open(3);
  const ring = fixture.ring({ lookEveryMs: never, glanceEveryMs: 20 });
  await ring.create();
  await ring.create();
  await fixture.wipe(0);
  await waitFor(async () => (await fixture.count(0)) === 2, { timeoutMs: 60_000, what: 'keys' });
});

test('a key that nobody has keeps no holder from others, nor one that is down a place', async () => {
  await using fixture = await RingFixture.open(5);
  const ring = fixture.ring();
  await ring.create();
  await fixture.tables.write((db) => insertKey(db, 1));
  await fixture.wipe(0);
  await ring.look();
  assert.equal(await fixture.count(0), 1);
  await fixture.servers[1]?.kill();
  await fixture.servers[3]?.kill();
  await ring.replaceHolder(`127.0.0.1:${fixture.servers[1]?.port}/keys`);
  assert.equal(await fixture.count(4), 1);
});
