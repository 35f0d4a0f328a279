import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';

import { BcdbServer } from '@commongrid/bcdb';
import { tempFolder } from '@commongrid/base/testing';

import { makeGridNamespaces } from '../src/commands/bcdb/grid-types.ts';
import { GridHome } from '../src/home.ts';
import { readKeyFile } from '../src/key-file.ts';
import { introduceOwner } from '../src/owner-bot.ts';
import { createIdentity } from '../src/owner-identity.ts';

test('many that introduce an owner at once write one record of his', async () => {
  await using folder = await tempFolder('owner');
  const home = new GridHome(join(folder.path, 'home'));
  await home.create();
  await createIdentity(home);
  await using server = await BcdbServer.open({
    dataDir: home.bcdb,
    owner: await readKeyFile(home.ownerKeyFile),
    http: { host: '127.0.0.1', port: 0 },
    beforeDoors: makeGridNamespaces,
  });
  const url = `http://127.0.0.1:${server.httpAddress.port}`;
  const before = server.bcdb.head.size;
  const ids = await Promise.all(
    ['ada', 'bea', 'carol', 'dan'].map((name) => introduceOwner(home, url, name)),
  );
  assert.equal(new Set(ids).size, 1);
  assert.notEqual(ids[0], undefined);
  assert.equal(server.bcdb.head.size, before + 1);
});
