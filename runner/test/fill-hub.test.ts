import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';

import { tempFolder } from '@commongrid/base/testing';
import { HubClient, HubServer } from '@commongrid/flist';

import { fillHub } from '../src/fill-hub.ts';
import { GridHome } from '../src/home.ts';
import { readKeyFile } from '../src/key-file.ts';
import { createIdentity } from '../src/owner-identity.ts';

test('a hub is filled once it knows the owner, and told why it was not', async () => {
  await using folder = await tempFolder('fill');
  const home = new GridHome(join(folder.path, 'home'));
  await home.create();
  await createIdentity(home);
  const ownerKey = (await readKeyFile(home.ownerKeyFile)).publicKey.text;
  const users = new Map<string, string>();
  const keys = { userOf: async (key: string) => users.get(key) };
  const hub = await HubServer.open({ folder: join(folder.path, 'hub'), keys, ownerKey });
  const { url } = hub;
  assert.match((await fillHub(home, url)).lack ?? '', /does not know the owner/);
  users.set(ownerKey, 'ada');
  const without = await fillHub(home, url, async () => undefined);
  assert.match(without.lack ?? '', /apt-get install busybox-static/);
  assert.equal(without.image, undefined);
  // One for another processor, or damaged.
  const broken = await fillHub(home, url, async () => home.ownerKeyFile);
  assert.match(broken.lack ?? '', /EACCES|ENOEXEC/);
  const [one, other] = await Promise.all([fillHub(home, url), fillHub(home, url)]);
  assert.deepEqual(one, other);
  assert.equal(one.image?.name, 'ada/base');
  const client = new HubClient({ url });
  assert.equal((await client.repository('ada/base')).names[0]?.digest, one.image.digest);
  assert.deepEqual(await client.signers(one.image.digest), [ownerKey]);
  // What is there is taken as it is, without a busybox, too.
  assert.deepEqual(await fillHub(home, url, async () => undefined), one);
  await hub.close();
  assert.match((await fillHub(home, url)).lack ?? '', /^HUB_UNREACHABLE: /);
});
