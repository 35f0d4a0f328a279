import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';

import { reservePort, waitFor } from '@commongrid/base';
import { BcdbServer } from '@commongrid/bcdb';
import { BcdbClient } from '@commongrid/bcdb/client';
import { hasCode, ManualClock, tempFolder } from '@commongrid/base/testing';
import { SigningKey } from '@commongrid/crypto';
import { HubClient, HubServer } from '@commongrid/flist';
import { botIdOf, keyProof, keyProofDomain } from '@commongrid/model';
import { fakeId } from '@commongrid/model/testing';

import { trustOfGenesis } from '../src/bcdb-trust.ts';
import { makeGridNamespaces } from '../src/commands/bcdb/grid-types.ts';
import { keyFreshMs, keyStaleMs, Phonebook } from '../src/phonebook.ts';

const [owner, root, device, other] = [1, 2, 3, 4].map((byte) =>
  SigningKey.fromSeed(Buffer.alloc(32, byte)),
) as [SigningKey, SigningKey, SigningKey, SigningKey];

/** A database with the phonebook, on a folder, at a port or any. */
function openBook(dataDir: string, port = 0): Promise<BcdbServer> {
  return BcdbServer.open({
    ...{ dataDir, owner, http: { host: '127.0.0.1', port } },
    beforeDoors: makeGridNamespaces,
  });
}

interface Listed {
  readonly key: SigningKey;
  readonly role: 'device' | 'controller';
  readonly ended?: 'retired';
}

/** Writes the bot `ada` with these keys. */
async function sayBot(url: string, genesis: string, listed: readonly Listed[]): Promise<void> {
  const trust = await trustOfGenesis(genesis);
  const client = await BcdbClient.connect({ url, trust, key: root });
  const id = botIdOf(root.publicKey.text);
  const keys = listed.map(({ key, role, ended }) => ({
    ...{ key: key.publicKey.text, role },
    proof: Buffer.from(key.sign(keyProofDomain, keyProof(trust.log, id))).toString('base64url'),
    ...(ended === undefined ? {} : { ended }),
  }));
  const value = { id, name: 'ada', root: root.publicKey.text, seal: fakeId.seal(1), keys };
  const statement = { ns: 'grid', op: 'put', url: 'grid.bot.1', obj: id } as const;
  await client.write({ ...statement, value: { ...value, addresses: [] } });
}

test('a hub takes changes by keys that the phonebook lists, as long as it does', async () => {
  await using folder = await tempFolder('phonebook');
  const data = join(folder.path, 'bcdb');
  const genesisFile = join(data, 'genesis.json');
  const port = await reservePort();
  const server = await openBook(data, port);
  const url = `http://127.0.0.1:${port}`;
  const clock = new ManualClock();
  const book = new Phonebook({ url, genesisFile, clock });
  await using hub = await HubServer.open({ folder: join(folder.path, 'hub'), keys: book });
  const client = (key: SigningKey): HubClient => new HubClient({ url: hub.url, key, triesMax: 1 });
  const change = (key: SigningKey): Promise<unknown> =>
    client(key).describe('ada/tools', { description: 'mine', labels: {} });
  await assert.rejects(change(device), hasCode('HUB_KEY_UNKNOWN'));
  await sayBot(url, genesisFile, [
    { key: device, role: 'device' },
    { key: other, role: 'controller' },
  ]);
  // Nobody has to wait for a key to be known.
  await change(device);
  for (const key of [other, root]) await assert.rejects(change(key), hasCode('HUB_KEY_UNKNOWN'));
  await sayBot(url, genesisFile, [
    { key: device, role: 'device', ended: 'retired' },
    { key: other, role: 'device' },
  ]);
  await change(other);
  await clock.advance(keyFreshMs);
  await assert.rejects(change(device), hasCode('HUB_KEY_UNKNOWN'));

  await server.close();
  await clock.advance(keyFreshMs);
  // What was known a short while ago still counts.
  await change(other);
  await clock.advance(keyStaleMs);
  const down = { code: 'HUB_DIRECTORY_UNREACHABLE', retryable: true };
  await assert.rejects(change(other), down);
  await assert.rejects(change(device), down);
  assert.deepEqual((await client(other).listUsers()).items, ['ada']);
  await using _again = await openBook(data, port);
  await change(other);
});

test('an answer is as old as its question, also for who came while it was asked', async () => {
  await using folder = await tempFolder('phonebook');
  const data = join(folder.path, 'bcdb');
  await using server = await openBook(data);
  const asked: PromiseWithResolvers<void>[] = [];
  // Lets questions for keys wait until they are resolved.
  const slow = createServer((question, answer) => {
    const { url = '', method, headers } = question;
    const isHeld = url.startsWith('/v1/keys/');
    const held = Promise.withResolvers<void>();
    if (isHeld) asked.push(held);
    const pass = (): void => {
      const { port } = server.httpAddress;
      const forward = request({ port, path: url, method, headers }, (from) => {
        answer.writeHead(from.statusCode ?? 500, from.headers);
        from.pipe(answer);
      });
      question.pipe(forward);
    };
    void (isHeld ? held.promise : Promise.resolve()).then(pass);
  });
  slow.listen(0, '127.0.0.1');
  await once(slow, 'listening');
  try {
    const { port } = slow.address() as AddressInfo;
    const genesisFile = join(data, 'genesis.json');
    await sayBot(`http://127.0.0.1:${server.httpAddress.port}`, genesisFile, [
      { key: device, role: 'device' },
    ]);
    const clock = new ManualClock();
    const book = new Phonebook({ url: `http://127.0.0.1:${port}`, genesisFile, clock });
    const user = (): Promise<string | undefined> => book.userOf(device.publicKey.text);
    const first = user();
    await waitFor(() => asked.length === 1, { what: 'the question', timeoutMs: 60_000 });
    await clock.advance(keyFreshMs - 1_000);
    const second = user();
    asked[0]?.resolve();
    assert.deepEqual(await Promise.all([first, second]), ['ada', 'ada']);
    await clock.advance(1_000);
    const third = user();
    await waitFor(() => asked.length === 2, { what: 'a new question', timeoutMs: 60_000 });
    asked[1]?.resolve();
    assert.equal(await third, 'ada');
  } finally {
    slow.closeAllConnections();
    slow.close();
  }
});

test('a phonebook of another log is none', async () => {
  await using folder = await tempFolder('phonebook');
  await using server = await openBook(join(folder.path, 'bcdb'));
  await using foreign = await openBook(join(folder.path, 'foreign'));
  const url = `http://127.0.0.1:${foreign.httpAddress.port}`;
  const genesisFile = join(folder.path, 'bcdb', 'genesis.json');
  const book = new Phonebook({ url, genesisFile });
  await assert.rejects(book.userOf(device.publicKey.text), hasCode('HUB_DIRECTORY_UNREACHABLE'));
  assert.notEqual(server.bcdb.log, foreign.bcdb.log);
});
