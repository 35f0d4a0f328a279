import assert from 'node:assert/strict';
import { once } from 'node:events';
import fs from 'node:fs';
import { rename, writeFile } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { GridError, waitFor } from '@commongrid/base';
import { tempFolder } from '@commongrid/base/testing';
import { ZdbServer } from '@commongrid/zdb';
import { BackendPool } from '../src/backends/backend-pool.ts';
import { nameOfBackend, readBackendsFile } from '../src/backends/backends-file.ts';
import { RespClient } from '@commongrid/resp';
import type { ZstorErrorCode } from '../src/errors.ts';

/** In front of a Zero-DB: it takes connections, and says nothing before it begins. */
class SlowRelay implements AsyncDisposable {
  opened = 0;
  ended = 0;
  readonly #server = createServer();
  readonly #begun = Promise.withResolvers<void>();
  readonly #sockets: Socket[] = [];

  static async open(to: number): Promise<SlowRelay> {
    const relay = new SlowRelay();
    relay.#server.on('connection', (from) => {
      relay.opened += 1;
      const other = connect({ port: to, host: '127.0.0.1' });
      relay.#sockets.push(from, other);
      from.on('error', () => {}).on('close', () => (relay.ended += 1));
      other.on('error', () => {});
      from.pipe(other);
      void relay.#begun.promise.then(() => other.pipe(from));
    });
    relay.#server.listen({ port: 0, host: '127.0.0.1' });
    await once(relay.#server, 'listening');
    return relay;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  begin(): void {
    this.#begun.resolve();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
    await once(this.#server, 'close');
  }
}

const entry = {
  address: '127.0.0.1:9900',
  namespace: 'shards',
  node: 'n1',
  farm: 'f1',
  country: 'BE',
};

test('the backends file is read with its passwords', async () => {
  await using folder = await tempFolder('backends');
  const path = join(folder.path, 'backends.json');
  await writeFile(join(folder.path, 'secret'), 'pass word\n');
  const second = { ...entry, address: '[::1]:9901', passwordFile: 'secret', spare: true };
  const fingerprint = 'ab'.repeat(32);
  await writeFile(path, JSON.stringify([{ ...entry, tlsFingerprint: fingerprint }, second]));
  const specs = await readBackendsFile(path);
  assert.deepEqual(specs.map(nameOfBackend), ['127.0.0.1:9900/shards', '::1:9901/shards']);
  assert.deepEqual(
    specs.map(({ password, isSpare, tlsFingerprint }) => [password, isSpare, tlsFingerprint]),
    [
      [undefined, false, fingerprint],
      ['pass word', true, undefined],
    ],
  );
});

test('a wrong backends file names the entry and the field', async () => {
  await using folder = await tempFolder('backends');
  const path = join(folder.path, 'backends.json');
  const without = (field: string): Record<string, unknown> => ({ ...entry, [field]: undefined });
  for (const [content, message] of [
    ['{', /is no JSON/],
    ['{}', /is no JSON list/],
    [[entry, 5], /entry 2 of .* is no object/],
    [[without('node')], /entry 1 of .*: node is missing/],
    [[{ ...entry, farm: 3 }], /farm is no text/],
    [[{ ...entry, address: '127.0.0.1' }], /127\.0\.0\.1 is not HOST:PORT/],
    [[{ ...entry, address: 'host:70000' }], /is not HOST:PORT/],
    [[{ ...entry, spare: 'no' }], /spare is not true or false/],
    [[{ ...entry, tlsFingerprint: 'abc' }], /tlsFingerprint is no SHA-256/],
    [[{ ...entry, passwort: 'x' }], /unknown field passwort/],
    [[{ ...entry, passwordFile: 'nowhere' }], /passwordFile of entry 1 .*ENOENT/],
    [[entry, { ...entry, node: 'n2' }], /names 127\.0\.0\.1:9900\/shards twice/],
  ] as const) {
    await writeFile(path, typeof content === 'string' ? content : JSON.stringify(content));
    await assert.rejects(readBackendsFile(path), { code: 'ZSTOR_BACKENDS_INVALID', message });
  }
});

test('the pool follows its file, and keeps what it has when the file is wrong', async () => {
  await using folder = await tempFolder('backends');
  await using server = await ZdbServer.open({
    dataDir: join(folder.path, 'data'),
    listen: [{ host: '127.0.0.1', port: 0 }],
    durability: 'os',
  });
  const port = server.addresses[0]?.port ?? 0;
  await using client = await RespClient.connect({ port });
  for (const name of ['one', 'two']) {
    await client.command(['NSNEW', name]);
    await client.command(['NSSET', name, 'password', `of ${name}`]);
    await client.command(['NSSET', name, 'public', '0']);
    await writeFile(join(folder.path, `password-${name}`), `of ${name}`);
  }
  const path = join(folder.path, 'backends.json');
  const write = async (...names: readonly string[]): Promise<void> => {
    const entries = names.map((name) => {
      const passwordFile = `password-${name}`;
      return { ...entry, address: `127.0.0.1:${port}`, namespace: name, node: name, passwordFile };
    });
    await writeFile(`${path}.new`, JSON.stringify(entries));
    await rename(`${path}.new`, path);
  };
  await write('one');
  const numberOf = ({ namespace }: { namespace: string }): number => (namespace === 'one' ? 1 : 2);
  await using pool = await BackendPool.open(await readBackendsFile(path), { numberOf });
  const one = pool.byNo(1);
  assert.deepEqual([one?.isWritable, (one?.freeBytes ?? 0) > 0], [true, true]);
  // It changes before it is followed: whoever opens a store waits in between for as long as another head serves.
  await write('one', 'two');
  pool.follow(path);
  const until = (what: string, condition: () => boolean | undefined): Promise<unknown> =>
    waitFor(condition, { timeoutMs: 60_000, what });
  await until('the second backend', () => pool.byNo(2)?.isWritable);
  assert.equal(pool.byNo(1), one, 'the first one stays as it is');
  await pool.byNo(2)?.put(Buffer.from('key'), Buffer.from('value'));
  assert.equal(String(await pool.byNo(2)?.get(Buffer.from('key'), 5)), 'value');
  await pool.byNo(2)?.remove([Buffer.from('key'), Buffer.from('not there')]);
  assert.equal(await pool.byNo(2)?.get(Buffer.from('key'), 5), undefined);
  await assert.rejects(
    pool.byNo(2)?.put(Buffer.alloc(300), Buffer.from('v')) ?? Promise.resolve(),
    {
      code: 'ZSTOR_BACKEND_REFUSED',
    },
  );
  assert.deepEqual([pool.byNo(2)?.state, pool.byNo(2)?.isWritable], ['healthy', false]);
  await writeFile(path, 'no JSON');
  await write('two');
  process.emit('SIGHUP');
  await until('the first backend to go', () => pool.byNo(1) === undefined);
  assert.equal(pool.all.length, 1);
});

test('a full disk takes no more shards while the log on it still takes records', async () => {
  await using folder = await tempFolder('backends');
  const mebibyte = 2 ** 20;
  const disk = { bsize: mebibyte, blocks: 100_000, bavail: 560 };
  await using server = await ZdbServer.open({
    dataDir: join(folder.path, 'data'),
    listen: [{ host: '127.0.0.1', port: 0 }],
    durability: 'os',
    files: Object.assign({ ...fs }, { statfsSync: () => disk }),
  });
  const port = server.addresses[0]?.port ?? 0;
  await using client = await RespClient.connect({ port });
  await client.command(['NSNEW', 'shards']);
  const path = join(folder.path, 'backends.json');
  await writeFile(path, JSON.stringify([{ ...entry, address: `127.0.0.1:${port}` }]));
  await using pool = await BackendPool.open(await readBackendsFile(path), { numberOf: () => 1 });
  assert.deepEqual([pool.byNo(1)?.state, pool.byNo(1)?.isWritable], ['healthy', false]);
  await client.command(['SET', 'record', 'of the log']);
  disk.bavail = 600;
  const what = 'room';
  await waitFor(() => pool.byNo(1)?.isWritable, { timeoutMs: 60_000, what });
  assert.equal(pool.byNo(1)?.freeBytes, (600 - 512 - 64) * mebibyte);
});

test('a list that could not be numbered at first is taken later', async () => {
  await using folder = await tempFolder('backends');
  const path = join(folder.path, 'backends.json');
  await writeFile(path, '[]');
  let isServing = true;
  const numberOf = ({ port }: { port: number }): number => {
    if (isServing) return port;
    throw new GridError<ZstorErrorCode>('ZSTOR_CATALOG_NOT_SERVING', 'no', { retryable: true });
  };
  await using pool = await BackendPool.open([], { numberOf, commandTimeoutMs: 100 });
  pool.follow(path);
  isServing = false;
  await writeFile(path, JSON.stringify([{ ...entry, address: '127.0.0.1:1' }]));
  await assert.rejects(pool.reload(await readBackendsFile(path)), {
    code: 'ZSTOR_CATALOG_NOT_SERVING',
  });
  isServing = true;
  await waitFor(() => pool.byNo(1), { what: 'the backend', timeoutMs: 60_000 });
});

test('nobody waits for a backend that takes its time, and it is used once it answers', async () => {
  await using folder = await tempFolder('backends');
  await using server = await ZdbServer.open({
    dataDir: join(folder.path, 'data'),
    listen: [{ host: '127.0.0.1', port: 0 }],
    durability: 'os',
  });
  const port = server.addresses[0]?.port ?? 0;
  await using client = await RespClient.connect({ port });
  await client.command(['NSNEW', 'shards']);
  await using slow = await SlowRelay.open(port);
  const path = join(folder.path, 'backends.json');
  const addresses = [`127.0.0.1:${port}`, `127.0.0.1:${slow.port}`];
  await writeFile(path, JSON.stringify(addresses.map((address) => ({ ...entry, address }))));
  const specs = await readBackendsFile(path);
  const numberOf = (spec: { port: number }): number => (spec.port === port ? 1 : 2);
  await using pool = await BackendPool.open([], { numberOf });
  await pool.reload(specs, 1_000);
  assert.deepEqual([pool.byNo(1)?.state, pool.byNo(2)?.state], ['healthy', 'suspect']);
  // Nothing of it has failed: it is not known yet what it will answer.
  assert.deepEqual([slow.opened, slow.ended], [1, 0]);
  slow.begin();
  const what = 'the slow one';
  await waitFor(() => pool.byNo(2)?.state === 'healthy', { timeoutMs: 60_000, what });
});

test('who watches the backends hears of a list once those that are new were asked', async () => {
  await using folder = await tempFolder('backends');
  await using server = await ZdbServer.open({
    dataDir: join(folder.path, 'data'),
    listen: [{ host: '127.0.0.1', port: 0 }],
    durability: 'os',
  });
  const port = server.addresses[0]?.port ?? 0;
  await using client = await RespClient.connect({ port });
  await client.command(['NSNEW', 'shards']);
  const path = join(folder.path, 'backends.json');
  await writeFile(path, JSON.stringify([{ ...entry, address: `127.0.0.1:${port}` }]));
  await using pool = await BackendPool.open([], { numberOf: () => 1 });
  const states: unknown[] = [];
  const watching = pool.watch(() => states.push(pool.byNo(1)?.state));
  await pool.reload(await readBackendsFile(path));
  assert.deepEqual(states, ['healthy']);
  watching[Symbol.dispose]();
  await pool.reload([]);
  assert.deepEqual(states, ['healthy']);
});
