import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { test } from 'node:test';

import { BcdbServer } from '@commongrid/bcdb';
import { BcdbClient } from '@commongrid/bcdb/client';
import { hasCode, tempFolder } from '@commongrid/base/testing';
import { SealingKey, SigningKey } from '@commongrid/crypto';
import { nodeIdOf } from '@commongrid/model';

import { trustOfGenesis } from '../src/bcdb-trust.ts';
import { makeGridNamespaces } from '../src/commands/bcdb/grid-types.ts';
import { GridHome } from '../src/home.ts';
import { readKeyFile } from '../src/key-file.ts';
import { deploy, remove } from '../src/node/deploy.ts';
import { makeDeployment } from '../src/node/deployment.ts';
import { readLogFacts } from '../src/node/log-facts.ts';
import { OwnedGrid } from '../src/node/owned-grid.ts';
import { introduceOwner } from '../src/owner-bot.ts';
import { createIdentity } from '../src/owner-identity.ts';

/** A database with an owner, who has nothing yet. */
async function openGrid() {
  await using stack = new AsyncDisposableStack();
  const folder = stack.use(await tempFolder('owned'));
  const home = new GridHome(join(folder.path, 'home'));
  await home.create();
  await createIdentity(home);
  const key = await readKeyFile(home.ownerKeyFile);
  const server = stack.use(
    await BcdbServer.open({
      ...{ dataDir: home.bcdb, owner: key, http: { host: '127.0.0.1', port: 0 } },
      beforeDoors: makeGridNamespaces,
    }),
  );
  const url = `http://127.0.0.1:${server.httpAddress.port}`;
  await introduceOwner(home, url, 'ada');
  const trust = await trustOfGenesis(home.bcdbGenesisFile);
  const client = await BcdbClient.connect({ url, trust, key });
  const grid = await OwnedGrid.open(client, key.publicKey.text);
  const put = (type: string, obj: string, value: object, as = client) =>
    as.write({ ns: 'grid', op: 'put', url: type, obj, value: { ...value } });
  const owned = stack.move();
  return {
    ...{ client, grid, put, trust, url },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

type OpenGrid = Awaited<ReturnType<typeof openGrid>>;

async function makeFarm({ put, grid }: OpenGrid, name: string): Promise<string> {
  const id = `farm:${randomBytes(16).toString('base64url')}`;
  const location = { country: 'BE', city: 'Gent', latMicrodeg: 0, lonMicrodeg: 0 };
  const prices = { currency: 'EUR', unitHours: 1 };
  await put('grid.farm.1', id, { id, owner: grid.owner, name, location, prices, publicIps: [] });
  return id;
}

/** A node that names a farm, and what it needs to be adopted. */
async function makeNode({ put, trust, url }: OpenGrid, farm: string, name: string) {
  const key = SigningKey.generate();
  const id = nodeIdOf(key.publicKey.text);
  const client = await BcdbClient.connect({ url, trust, key });
  const capacity = { cpuMilli: 1_000, memoryBytes: 2 ** 30, ssdBytes: 2 ** 30, hddBytes: 0 };
  const seal = SealingKey.derive(key.exportSeed()).publicKey.text;
  const value = { id, farm, name, capacity, features: [], addresses: [], seal };
  await put('grid.node.1', id, value, client);
  return id;
}

test('an owner sees his farms, and the nodes that name them', async () => {
  await using place = await openGrid();
  const { grid, put } = place;
  await assert.rejects(grid.farm(), hasCode('GRID_FARM_UNKNOWN'));
  const farm = await makeFarm(place, 'cellar');
  assert.equal((await grid.farm()).id, farm);
  const node = await makeNode(place, farm, 'shelf-3');
  assert.deepEqual(
    (await grid.nodes()).map(({ node: { id }, standing }) => [id, standing]),
    [[node, undefined]],
  );
  await assert.rejects(grid.adoptedNodes(), hasCode('GRID_NODE_UNKNOWN'));
  await put('grid.adoption.1', node, { node, farm, standing: 'active' });
  const [adopted] = await grid.adoptedNodes(['shelf-3']);
  assert.equal(adopted?.id, node);
  await assert.rejects(grid.adoptedNodes(['shelf-4']), hasCode('GRID_NODE_UNKNOWN'));
  await makeFarm(place, 'attic');
  await assert.rejects(grid.farm(), hasCode('GRID_FARM_UNKNOWN'));
  assert.equal((await grid.farm('cellar')).id, farm);
});

test('a deployment is found by its name until it is ended', async () => {
  await using place = await openGrid();
  const { grid, put, client, trust } = place;
  const farm = await makeFarm(place, 'cellar');
  const node = await makeNode(place, farm, 'shelf-3');
  await put('grid.adoption.1', node, { node, farm, standing: 'active' });
  const run = async () => {
    const { at } = await readLogFacts(client, trust.log);
    const options = { client, log: trust.log, owner: grid.owner, at };
    const draft = await makeDeployment(
      { name: 'web', roles: [{ name: 'data', volume: { size: '16MiB' } }] },
      { ...options, controller: grid.key, resolveImage: async () => '' },
    );
    await deploy(draft, await grid.adoptedNodes(), options);
    return { id: draft.id, options };
  };
  const first = await run();
  assert.equal((await grid.contract('web')).id, first.id);
  const second = await run();
  await assert.rejects(grid.contract('web'), hasCode('GRID_NAME_AMBIGUOUS'));
  await remove(first.id, second.options);
  assert.equal((await grid.contract('web')).id, second.id);
  await remove((await grid.contract(second.id)).id, second.options);
  await assert.rejects(grid.contract('web'), hasCode('GRID_CONTRACT_UNKNOWN'));
});

test('a key that is no device of a bot owns nothing', async () => {
  await using place = await openGrid();
  const stranger = SigningKey.generate().publicKey.text;
  await assert.rejects(OwnedGrid.open(place.client, stranger), hasCode('GRID_BOT_UNKNOWN'));
});
