import assert from 'node:assert/strict';
import { test } from 'node:test';

import { BcdbClient } from '@commongrid/bcdb/client';
import { hasCode } from '@commongrid/base/testing';
import { SealingKey, SigningKey } from '@commongrid/crypto';
import { nodeIdOf } from '@commongrid/model';

import { signContract, signRemoval } from '../src/node/deploy.ts';
import { makeDeployment } from '../src/node/deployment.ts';
import { readLogFacts } from '../src/node/log-facts.ts';
import { OwnedGrid } from '../src/node/owned-grid.ts';
import { makeFarm, openGrid } from './fixtures/owned-place.ts';
import type { OpenGrid } from './fixtures/owned-place.ts';
import { placeByHand, removeByHand } from './fixtures/place-by-hand.ts';

/** A node that names a farm, and what it needs to be adopted. */
async function makeNode({ put, trust, url, client: owner }: OpenGrid, farm: string, name: string) {
  const key = SigningKey.generate();
  const id = nodeIdOf(key.publicKey.text);
  const client = await BcdbClient.connect({ url, trust, key });
  const capacity = { cpuMilli: 1_000, memoryBytes: 2 ** 30, ssdBytes: 2 ** 30, hddBytes: 0 };
  const seal = SealingKey.derive(key.exportSeed()).publicKey.text;
  const value = { id, farm, name, capacity, features: [], addresses: [], seal };
  await put('grid.node.1', id, value, client);
  // What the owner reads counts what he has seen.
  await owner.checkpoint();
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
    const { draft } = await makeDeployment(
      { name: 'web', roles: [{ name: 'data', volume: { size: '16MiB' } }] },
      { ...options, controller: grid.key, resolveImage: async () => '' },
    );
    await placeByHand(draft, await grid.adoptedNodes(), options);
    return { id: draft.id, options };
  };
  const first = await run();
  assert.equal((await grid.contract('web')).id, first.id);
  const second = await run();
  await assert.rejects(grid.contract('web'), hasCode('GRID_NAME_AMBIGUOUS'));
  await removeByHand(first.id, second.options);
  assert.equal((await grid.contract('web')).id, second.id);
  await removeByHand((await grid.contract(second.id)).id, second.options);
  await assert.rejects(grid.contract('web'), hasCode('GRID_CONTRACT_UNKNOWN'));
});

test('what an owner signs counts where nothing was written for an hour before', async () => {
  await using place = await openGrid();
  const { grid, client, trust } = place;
  const { at } = await readLogFacts(client, trust.log);
  const options = { client, log: trust.log, owner: grid.owner, at: at - 3_600_000 };
  const { draft } = await makeDeployment(
    { name: 'late', roles: [{ name: 'data', volume: { size: '16MiB' } }] },
    { ...options, controller: grid.key, resolveImage: async () => '' },
  );
  await signContract(draft, options);
  await signRemoval(draft.id, options);
});

test('whether a contract may be signed all the same is told where it fails', async () => {
  await using place = await openGrid();
  const { grid, url, trust } = place;
  const { at } = await readLogFacts(place.client, trust.log);
  const key = SigningKey.generate();
  const stranger = await BcdbClient.connect({ url, trust, key });
  let refused = 0;
  const signed = { log: trust.log, owner: grid.owner, at, onRefused: () => refused++ };
  const { draft } = await makeDeployment(
    { name: 'web', roles: [{ name: 'data', volume: { size: '16MiB' } }] },
    { ...signed, controller: grid.key, resolveImage: async () => '' },
  );
  await assert.rejects(signContract(draft, { ...signed, client: stranger }));
  assert.equal(refused, 1);
  await place[Symbol.asyncDispose]();
  const lost = signContract(draft, { ...signed, client: place.client });
  await assert.rejects(lost, hasCode('BCDB_UNREACHABLE'));
  assert.equal(refused, 1);
});

test('a key that is no device of a bot owns nothing', async () => {
  await using place = await openGrid();
  const stranger = SigningKey.generate().publicKey.text;
  await assert.rejects(OwnedGrid.open(place.client, stranger), hasCode('GRID_BOT_UNKNOWN'));
});
