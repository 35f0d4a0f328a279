import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';

import { hasCode } from '@commongrid/base/testing';

import type { FlistDigest } from '../src/format/flist.ts';
import { packFlist } from '../src/format/pack-flist.ts';
import type { HubServer } from '../src/hub/hub-server.ts';
import type { UploadSource } from '../src/hub/transfer-image.ts';
import { HttpSource } from '../src/sources/http-source.ts';
import { packChunk } from '../src/store/chunk-codec.ts';
import { alice, bob, hubUnderTest, keepImage } from './hub-harness.ts';
import type { HubUnderTest } from './hub-harness.ts';
import { imageOf } from './store-images.ts';

let stack: AsyncDisposableStack;
let one: HubUnderTest;
let other: HubUnderTest;

/** A hub as what another one is filled from, without a repository between them. */
function sourceAt(hub: HubUnderTest): UploadSource {
  const chunks = new HttpSource({ url: `${hub.server.url}/v1`, name: hub.server.url });
  return {
    getPackedFlist: (digest) => hub.client().flist(digest),
    fetch: (hashes, signal) => chunks.fetch(hashes, signal),
  };
}

/** Brings an image with its name and signatures from one hub to another, as their users may. */
async function copy(from: HubUnderTest, to: HubUnderTest, name: string): Promise<number> {
  const { digest } = await from.client().resolve(name);
  const client = to.client(name.startsWith('alice/') ? alice : bob);
  const { movedBytes } = await client.upload(digest, sourceAt(from));
  const owner = name.startsWith('alice/') ? alice : bob;
  for (const signature of await from.client().signatures(digest)) {
    if (signature.key === owner.publicKey.text) await client.leaveSignature(signature);
  }
  await client.name(name, digest);
  return movedBytes;
}

async function made(hub: HubUnderTest, name: string, content: Buffer): Promise<FlistDigest> {
  const image = imageOf({ [name.replace('/', '-')]: content });
  const digest = await keepImage(hub.repository, image);
  const client = hub.client(name.startsWith('alice/') ? alice : bob);
  await client.upload(digest, hub.repository);
  await client.sign(digest);
  await client.name(name, digest);
  return digest;
}

/** What everybody sees of a hub: its names, what they lead to, and who signed that. */
async function seenOf({ client }: HubUnderTest): Promise<Record<string, readonly string[]>> {
  const seen: Record<string, readonly string[]> = {};
  for (const user of (await client().listUsers()).items) {
    for (const { name } of (await client().listRepositories(user)).items) {
      const { digest } = await client().resolve(`${user}/${name}`);
      seen[`${user}/${name}`] = [digest, ...(await client().signers(digest)).toSorted()];
    }
  }
  return seen;
}

suite('two hubs', () => {
  before(async () => {
    stack = new AsyncDisposableStack();
    one = stack.use(await hubUnderTest());
    other = stack.use(await hubUnderTest());
  });
  after(() => stack.disposeAsync());

  test('what each makes of the images of the other comes back, and only that', async () => {
    const content = randomBytes(700_000);
    const digest = await made(one, 'alice/app', content);
    assert.ok((await copy(one, other, 'alice/app')) > 600_000);
    assert.deepEqual(await other.client().signers(digest), [alice.publicKey.text]);

    // Promoted and merged there with something of their own, then taken back.
    await made(other, 'bob/tools', Buffer.from('tools'));
    await other.client(bob).promote('alice/app', 'bob/app');
    await other.client(bob).merge(['alice/app', 'bob/tools'], 'bob/merged');
    assert.equal(await copy(other, one, 'bob/app'), 0);
    const moved = await copy(other, one, 'bob/merged');
    assert.ok(moved > 0 && moved < 100, 'one chunk of a few bytes is new');
    assert.equal(await copy(other, one, 'bob/tools'), 0);
    await one.client(alice).promote('bob/merged', 'alice/app');
    assert.equal(await copy(one, other, 'alice/app'), 0);
    assert.deepEqual(await seenOf(one), await seenOf(other));
  });

  test('copies in both directions at once end alike, while both collect what nobody names', async () => {
    const names = { one: ['alice/a', 'alice/b', 'alice/c'], other: ['bob/x', 'bob/y', 'bob/z'] };
    for (const name of names.one) await made(one, name, randomBytes(300_000));
    for (const name of names.other) await made(other, name, randomBytes(300_000));
    await Promise.all([
      ...names.one.map((name) => copy(one, other, name)),
      ...names.other.map((name) => copy(other, one, name)),
      ...names.one.map((name) => copy(one, other, name)),
      collectAgain(one.server),
      collectAgain(other.server),
    ]);
    const seen = await seenOf(one);
    for (const name of [...names.one, ...names.other]) assert.equal(seen[name]?.length, 2);
    assert.deepEqual(seen, await seenOf(other));
  });

  test('a chunk that is damaged at one hub does not come to the other', async () => {
    const content = randomBytes(1_000);
    const digest = await made(one, 'alice/damaged', content);
    const hash = createHash('sha256').update(content).digest('hex');
    const place = join(one.folder, 'images/blobs', hash.slice(0, 2), hash);
    await writeFile(place, await packChunk(randomBytes(1_000)));
    await assert.rejects(copy(one, other, 'alice/damaged'), hasCode('FLIST_CHUNK_CORRUPT'));
    await assert.rejects(other.client(alice).name('alice/x', digest), hasCode('HUB_NOT_FOUND'));
    // Nor an flist under the digest of another.
    const lying = { ...sourceAt(one), getPackedFlist: () => packFlist(Buffer.from('no flist')) };
    await assert.rejects(other.client(alice).upload(digest, lying), hasCode('FLIST_CORRUPT'));
  });

  test('what is signed for one hub counts nothing at the other', async () => {
    const client = other.client(alice, { audience: one.server.url });
    const { digest } = await other.client().resolve('alice/app');
    await assert.rejects(client.name('alice/app', digest), hasCode('HUB_SIGNATURE_REFUSED'));
  });
});

async function collectAgain(server: HubServer): Promise<void> {
  for (let n = 0; n < 5; n++) await server.collect();
}
