import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';

import { hasCode } from '@commongrid/base/testing';

import { decodeFlist } from '../src/format/decode-flist.ts';
import { encodeFlist } from '../src/format/encode-flist.ts';
import type { FlistDigest } from '../src/format/flist.ts';
import { flistDigestOf } from '../src/format/flist.ts';
import { mergeFlists } from '../src/tree/merge-flists.ts';
import { alice, bob, carol, hubUnderTest, keepImage, root } from './hub-harness.ts';
import type { HubUnderTest } from './hub-harness.ts';
import { imageOf } from './store-images.ts';

let hub: HubUnderTest;

/** Small images on the hub, by their one file. */
async function uploaded(...names: readonly string[]): Promise<FlistDigest[]> {
  const digests: FlistDigest[] = [];
  for (const name of names) {
    const digest = await keepImage(hub.repository, imageOf({ [name]: Buffer.from(name) }));
    await hub.client(alice).upload(digest, hub.repository);
    digests.push(digest);
  }
  return digests;
}

suite('names on a hub', () => {
  before(async () => {
    hub = await hubUnderTest();
  });
  after(() => hub[Symbol.asyncDispose]());

  test('names, tags and links lead to images, and remember what they said', async () => {
    const [one = assert.fail(), two = assert.fail()] = await uploaded('one', 'two');
    const client = hub.client(alice);
    await client.name('alice/app', one);
    await client.name('alice/app:1.0', one);
    await client.link('alice/latest', 'alice/app');
    await hub.client(bob).link('bob/theirs:any', 'alice/latest');
    assert.deepEqual(await client.resolve('bob/theirs:any'), {
      digest: one,
      path: ['bob/theirs:any', 'alice/latest', 'alice/app'],
    });
    await client.name('alice/app', two);
    assert.equal((await client.resolve('bob/theirs:any')).digest, two);
    assert.equal((await client.resolve('alice/app:1.0')).digest, one);
    const said = (await client.history('alice/app')).map(({ digest }) => digest);
    assert.deepEqual(said, [two, one]);
    assert.deepEqual(await client.forget('alice/app'), { forgotten: 1 });
    assert.equal((await client.history('alice/app')).length, 1);

    const app = await client.repository('alice/app');
    assert.deepEqual(
      app.names.map(({ tag, digest }) => [tag, digest]),
      [
        ['', two],
        ['1.0', one],
      ],
    );
    await client.remove('alice/app:1.0');
    await assert.rejects(client.resolve('alice/app:1.0'), hasCode('HUB_NOT_FOUND'));
    await client.remove('alice/app');
    await assert.rejects(client.repository('alice/app'), hasCode('HUB_NOT_FOUND'));
    await assert.rejects(client.resolve('bob/theirs:any'), hasCode('HUB_NOT_FOUND'));
    await assert.rejects(client.remove('alice/app'), hasCode('HUB_NOT_FOUND'));
  });

  test('links never lead in a circle', async () => {
    const [one = assert.fail()] = await uploaded('one');
    const client = hub.client(alice);
    await client.name('alice/n0', one);
    await assert.rejects(client.link('alice/n0', 'alice/n0'), hasCode('HUB_LINK_LOOP'));
    for (let n = 1; n < 16; n++) await client.link(`alice/n${n}`, `alice/n${n - 1}`);
    assert.equal((await client.resolve('alice/n15')).path.length, 16);
    await assert.rejects(client.link('alice/n16', 'alice/n15'), hasCode('HUB_LINK_LOOP'));
    await assert.rejects(client.link('alice/n0', 'alice/n5'), hasCode('HUB_LINK_LOOP'));
    await assert.rejects(client.link('alice/n0', 'alice/nothing'), hasCode('HUB_NOT_FOUND'));
    // A longer way is made beneath the others: those who are too far up find out.
    await client.name('alice/below', one);
    await client.link('alice/n0', 'alice/below');
    await assert.rejects(client.resolve('alice/n15'), hasCode('HUB_LINK_LOOP'));
    assert.equal((await client.resolve('alice/n14')).digest, one);
  });

  test('only their user, and the owner of the hub, change names', async () => {
    const [one = assert.fail()] = await uploaded('one');
    await hub.client(alice).name('alice/mine', one);
    const client = hub.client(bob);
    const denied = [
      () => client.name('alice/mine', one),
      () => client.link('alice/mine', 'alice/mine'),
      () => client.remove('alice/mine'),
      () => client.forget('alice/mine'),
      () => client.promote('alice/mine', 'alice/mine:1'),
      () => client.merge(['alice/mine', 'alice/mine'], 'alice/two'),
      () => client.describe('alice/mine', { description: '', labels: {} }),
    ];
    for (const refused of denied) await assert.rejects(refused, hasCode('HUB_DENIED'));
    await assert.rejects(hub.client().name('alice/mine', one), hasCode('HUB_SIGNATURE_NEEDED'));
    await client.promote('alice/mine', 'bob/mine:stable');
    assert.equal((await client.resolve('bob/mine:stable')).digest, one);
    await hub.client(root).remove('alice/mine');
    assert.equal((await client.resolve('bob/mine:stable')).digest, one);
  });

  test('a merge is the image that merging at home gives', async () => {
    const images = ['one', 'two', 'three'].map((name) =>
      imageOf({ [name]: Buffer.from(name), all: Buffer.from(`all ${name}`) }),
    );
    const client = hub.client(alice);
    for (const [at, image] of images.entries()) {
      const digest = await keepImage(hub.repository, image);
      await client.upload(digest, hub.repository);
      await client.name(`alice/part${at}`, digest);
    }
    const parts = ['alice/part0', 'alice/part1', 'alice/part2'];
    const { digest } = await client.merge(parts, 'alice/whole:1');
    const whole = encodeFlist(mergeFlists(images.map(({ flist }) => flist)));
    assert.equal(digest, flistDigestOf(whole));
    assert.ok(decodeFlist(whole).root.entries.size === 4);
    await client.download(digest, hub.repository);
    assert.equal((await client.resolve('alice/whole:1')).digest, digest);
    await assert.rejects(client.merge(['alice/part0'], 'alice/x'), hasCode('HUB_REQUEST_INVALID'));
  });

  test('lists come in parts, and a search finds names, descriptions and labels', async () => {
    const [one = assert.fail()] = await uploaded('one');
    const client = hub.client(carol);
    for (const name of ['a', 'b', 'c']) await client.name(`carol/${name}`, one);
    await hub.client(bob).name('bob/web', one);
    await client.describe('carol/b', {
      description: 'A Server of pages, 100% static',
      labels: { team: 'Éclair' },
    });
    const first = await client.listRepositories('carol', { limit: 2 });
    assert.deepEqual(
      first.items.map(({ name }) => name),
      ['a', 'b'],
    );
    const second = await client.listRepositories('carol', { after: first.next ?? '', limit: 2 });
    assert.deepEqual(
      second.items.map(({ name }) => name),
      ['c'],
    );
    assert.equal(second.next, undefined);
    assert.deepEqual((await client.listUsers({ after: 'alicf' })).items, ['bob', 'carol']);
    const found = async (text: string): Promise<string[]> =>
      (await client.search(text)).items.map(({ user, name }) => `${user}/${name}`);
    assert.deepEqual(await found('server ÉCLAIR'), ['carol/b']);
    assert.deepEqual(await found('100%'), ['carol/b']);
    assert.deepEqual(await found('carol _'), []);
    assert.deepEqual(await found('bob web'), ['bob/web']);
    assert.equal((await found('CAROL/')).length, 3);
    const page = await client.search('carol', { limit: 2 });
    const rest = await client.search('carol', { after: page.next ?? '' });
    assert.deepEqual([page.items.length, rest.items.length], [2, 1]);
  });

  test('signatures stand beside images, by keys of who brings them', async () => {
    const [one = assert.fail()] = await uploaded('one');
    await hub.client(alice).sign(one);
    await hub.client(bob).sign(one);
    const signers = await hub.client().signers(one);
    assert.deepEqual(signers.toSorted(), [alice.publicKey.text, bob.publicKey.text].toSorted());
    const unknown = 'f'.repeat(64) as FlistDigest;
    await assert.rejects(hub.client(alice).sign(unknown), hasCode('HUB_NOT_FOUND'));
  });
});
