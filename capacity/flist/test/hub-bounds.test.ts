import assert from 'node:assert/strict';
import { once } from 'node:events';
import { request } from 'node:http';
import type { IncomingMessage } from 'node:http';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';

import type { SigningKey } from '@commongrid/crypto';
import { GridError } from '@commongrid/base';
import { hasCode, ManualClock } from '@commongrid/base/testing';

import type { FlistErrorCode } from '../src/errors.ts';
import { HubServer } from '../src/hub/hub-server.ts';
import { sha256Of, signRequest } from '../src/hub/request-signature.ts';
import type { UploadSource } from '../src/hub/transfer-image.ts';
import { alice, bob, hubUnderTest, keepImage, keys, root, stranger } from './hub-harness.ts';
import { imageOf } from './store-images.ts';

test('the owner of a hub says what a user may take, also over a restart', async () => {
  const image = imageOf({ a: Buffer.alloc(300_000, 1), b: Buffer.alloc(300_000, 2) });
  await using hub = await hubUnderTest();
  const digest = await keepImage(hub.repository, image);
  const owner = hub.client(root);
  await assert.rejects(hub.client(alice).setQuota('alice', 2 ** 50), hasCode('HUB_DENIED'));
  assert.equal(await owner.owner(), 'root');
  assert.equal((await owner.setQuota('alice', 500_000)).quotaBytes, 500_000);
  await hub.client(alice).upload(digest, hub.repository);
  await assert.rejects(hub.client(alice).name('alice/a', digest), hasCode('HUB_QUOTA_REACHED'));
  await hub.client(bob).name('bob/a', digest);
  await hub.server.close();
  await using again = await HubServer.open({
    ...{ folder: hub.folder, keys, ownerKey: root.publicKey.text },
    listen: { port: hub.server.port },
  });
  assert.equal((await owner.user('alice')).quotaBytes, 500_000);
  assert.equal((await owner.setQuota('alice', undefined)).quotaBytes, 100 * 2 ** 30);
  assert.equal(await owner.owner(), 'root');
  assert.equal(again.url, hub.server.url);
  await hub.client(alice).name('alice/a', digest);
  await assert.rejects(owner.setQuota('alice', -1), hasCode('HUB_REQUEST_INVALID'));
});

test('what others bring changes nothing of what a user has used', async () => {
  await using hub = await hubUnderTest();
  const digest = await keepImage(hub.repository, imageOf({ a: Buffer.alloc(1_000, 1) }));
  await hub.client(alice).upload(digest, hub.repository);
  await hub.client(alice).name('alice/a', digest);
  const { usedBytes } = await hub.client(alice).user('alice');
  const packed = await hub.repository.getPackedFlist(digest);
  assert.ok(packed);
  // A frame of zstd that readers skip.
  const padding = Buffer.alloc(100_000);
  padding.writeUInt32LE(0x184d2a50);
  padding.writeUInt32LE(padding.length - 8, 4);
  const padded: UploadSource = {
    getPackedFlist: async () => Buffer.concat([packed, padding]),
    fetch: (hashes, signal) => hub.repository.fetch(hashes, signal),
  };
  await hub.client(bob).upload(digest, padded);
  assert.equal((await hub.client(alice).user('alice')).usedBytes, usedBytes);
});

test('whoever sends many requests with wrong signatures is slowed down, and reads on', async () => {
  const clock = new ManualClock(1_000_000_000_000);
  await using hub = await hubUnderTest({ clock, limits: { failuresMax: 4 } });
  const options = { clock, triesMax: 1 };
  const wrong = hub.client(alice, { ...options, audience: 'http://elsewhere.example' });
  const right = hub.client(alice, options);
  const digest = await keepImage(hub.repository, imageOf({ a: Buffer.from('a') }));
  await right.upload(digest, hub.repository);
  for (let n = 0; n < 4; n++) {
    await assert.rejects(wrong.name('alice/a', digest), hasCode('HUB_SIGNATURE_REFUSED'));
  }
  await assert.rejects(right.name('alice/a', digest), {
    ...{ code: 'HUB_TOO_MANY_FAILURES', retryable: true },
    details: { retryAfterMs: 1_000 },
  });
  const answer = await fetch(`${hub.server.url}/v1/names/alice/a`, {
    method: 'DELETE',
    headers: { 'grid-signature': 'x' },
  });
  assert.deepEqual([answer.status, answer.headers.get('retry-after')], [429, '1']);
  assert.deepEqual((await right.listUsers()).items, []);
  await clock.advance(1_000);
  await right.name('alice/a', digest);
});

test('keys that nobody has are slowed down wherever they come from', async () => {
  const clock = new ManualClock(1_000_000_000_000);
  let asked = 0;
  const users = {
    userOf: (key: string): Promise<string | undefined> => {
      asked++;
      return keys.userOf(key);
    },
  };
  await using hub = await hubUnderTest({ clock, keys: users, limits: { failuresMax: 3 } });
  const statuses: (number | undefined)[] = [];
  for (const n of [1, 2, 3, 4, 5]) {
    statuses.push(await statusOf(hub.server, stranger, clock.nowMs(), `127.0.0.${n}`));
  }
  assert.deepEqual(statuses, [401, 401, 401, 429, 429]);
  assert.equal(asked, 3);
  assert.equal(await statusOf(hub.server, alice, clock.nowMs(), '127.0.0.4'), 404);
});

test('a hub whose directory does not answer changes nothing, says so, and is read on', async () => {
  const down = (): never => {
    throw new GridError<FlistErrorCode>('HUB_DIRECTORY_UNREACHABLE', 'the directory is down', {
      retryable: true,
    });
  };
  let isDown = false;
  const users = {
    userOf: async (key: string) => (isDown ? down() : keys.userOf(key)),
  };
  await using hub = await hubUnderTest({ keys: users, ownerKey: root.publicKey.text });
  const client = hub.client(alice, { triesMax: 1 });
  const digest = await keepImage(hub.repository, imageOf({ a: Buffer.from('a') }));
  await client.upload(digest, hub.repository);
  await client.name('alice/a', digest);
  assert.equal(await client.owner(), 'root');
  isDown = true;
  const refused = { code: 'HUB_DIRECTORY_UNREACHABLE', retryable: true };
  await assert.rejects(client.name('alice/b', digest), refused);
  assert.equal((await client.resolve('alice/a')).digest, digest);
  assert.equal(await client.owner(), 'root');
  isDown = false;
  await client.name('alice/b', digest);
});

/** What a hub answers to a change that a key signed, from an address of this machine. */
async function statusOf(
  { url: audience, port }: HubServer,
  key: SigningKey,
  atMs: number,
  localAddress: string,
): Promise<number | undefined> {
  const [method, target] = ['DELETE', '/v1/names/alice/a'];
  const bodySha256 = sha256Of(new Uint8Array());
  const headers = signRequest(key, { audience, method, target, bodySha256 }, atMs);
  const asking = request({ port, method, path: target, headers, localAddress, agent: false }).end();
  const [answer] = (await once(asking, 'response')) as [IncomingMessage];
  await text(answer);
  return answer.statusCode;
}
