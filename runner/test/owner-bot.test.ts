import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';

import { BcdbServer } from '@commongrid/bcdb';
import { BcdbClient } from '@commongrid/bcdb/client';
import { tempFolder } from '@commongrid/base/testing';

import { trustOfGenesis } from '../src/bcdb-trust.ts';
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
  const ids = await Promise.all(
    ['ada', 'bea', 'carol', 'dan'].map((name) => introduceOwner(home, url, name)),
  );
  assert.equal(new Set(ids).size, 1);
  const trust = await trustOfGenesis(home.bcdbGenesisFile);
  const client = await BcdbClient.connect({ url, trust });
  const versions = await client.history('grid', 'grid.bot.1', ids[0] ?? '');
  assert.equal(versions.length, 1);
});
