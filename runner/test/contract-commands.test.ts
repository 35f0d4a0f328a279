import assert from 'node:assert/strict';
import { readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';

import { hasCode } from '@commongrid/base/testing';
import type { NodeId } from '@commongrid/model';

import { makeDeployment } from '../src/node/deployment.ts';
import { readLogFacts } from '../src/node/log-facts.ts';
import { placeByHand, removeByHand } from './fixtures/place-by-hand.ts';
import { PlannedGrid } from './fixtures/planned-grid.ts';

interface PlanResult {
  readonly fits: boolean;
  readonly items: readonly {
    readonly role: string;
    readonly nodeName: string;
    readonly farmName: string;
    readonly perMonth: string;
  }[];
  readonly cost: { readonly perMonth: string; readonly isCheapest: boolean };
  readonly tolerance: readonly { readonly nodes: number; readonly farms: number }[];
  readonly obstacles: readonly { readonly lacking: readonly object[] }[];
}

interface StatusResult {
  readonly id: string;
  readonly phase: string;
  readonly readyCount: number;
  readonly signatures: readonly object[];
  readonly workloads: readonly object[];
}

const countries = ['BE', 'CH', 'EG', 'US', 'AT', 'ZA'];
const archive = `
  import { contract } from '@commongrid/contract';
  export default contract({
    name: 'archive',
    secrets: { admin: { generate: 32 } },
    roles: [{
      name: 'shard',
      shards: '16+4',
      data: 'dispersed',
      zdb: { size: '8GiB', password: 'admin' },
      spread: { perFarm: 4, distinctNodes: true },
    }],
  });`;

/** Six farms of the owner with four nodes each, and one of bob, who sells. One for all tests. */
let grid: PlannedGrid;
let first: NodeId;

before(async () => {
  grid = await PlannedGrid.open();
  const nodes: NodeId[] = [];
  for (const [at, country] of countries.entries()) {
    const farm = await grid.farm(`farm-${at + 1}`, { farmer: grid.ada, country });
    for (const n of [1, 2, 3, 4]) {
      nodes.push(await grid.node(farm, grid.ada, `node-${at + 1}-${n}`));
    }
  }
  const bob = await grid.newFarmer('bob');
  const prices = { cu: '4000', su: '100' } as object;
  await grid.node(await grid.farm('attic', { farmer: bob, country: 'NO', prices }), bob, 'shelf-1');
  [first = ('' as NodeId)] = nodes;
  await grid.allAlive(25);
});

after(() => grid[Symbol.asyncDispose]());

async function file(name: string, text: string): Promise<string> {
  const path = join(grid.place.path, name);
  await writeFile(path, text);
  return path;
}

function definition(name: string, ...roles: readonly object[]): Promise<string> {
  return file(`${name}.json`, JSON.stringify({ name, roles }));
}

test('a contract of code is built, named, kept apart from its secrets, and planned', async () => {
  const code = await file('archive.contract.ts', archive);
  const output = join(grid.place.path, 'archive.built.json');
  const seed = ['--seed-file', join(grid.place.path, 'seed')];
  const built = await grid.json<{ readonly contract: string; readonly secrets: string }>(
    ...['contract', 'build', code, '--output', output, ...seed],
  );
  const text = await readFile(output, 'utf8');
  assert.equal((await stat(built.secrets)).mode & 0o777, 0o600);
  const secrets = JSON.parse(await readFile(built.secrets, 'utf8')) as {
    readonly secrets: { readonly admin: { readonly value: string } };
  };
  assert.ok(
    secrets.secrets.admin.value.length === 32 && !text.includes(secrets.secrets.admin.value),
  );
  assert.equal((await grid.run('contract', 'hash', output)).printed.trim(), built.contract);
  await assert.rejects(grid.run('contract', 'hash', code), hasCode('GRID_USAGE'));
  await assert.rejects(
    grid.run('contract', 'build', output, '--output', output),
    hasCode('GRID_USAGE'),
  );
  const { printed, status } = await grid.run('contract', 'plan', output);
  assert.equal(status, 0);
  assert.match(printed, /^archive fits on 20 nodes$/m);
  assert.match(
    printed,
    /shard\s+any 4 nodes, or any 1 farm, or any 1 country; 16 of 20 are needed/,
  );
  assert.match(
    printed,
    /shard\s+what was on any of its 20 nodes finds room elsewhere now; what was on any of its \d farms finds/,
  );
  assert.match(printed, /admin\s+its author; 20 nodes of ada: /);
  assert.match(printed, /shard: go on; nothing lost is replaced/);
  const plan = await grid.json<PlanResult>('contract', 'plan', output);
  assert.equal(new Set(plan.items.map(({ nodeName }) => nodeName)).size, 20);
  assert.deepEqual([plan.tolerance[0]?.nodes, plan.tolerance[0]?.farms], [4, 1]);
});

test('what is deployed takes room from plans until nothing of it is left', async () => {
  const { client, trust, grid: owned } = grid.place;
  const { at } = await readLogFacts(client, trust.log);
  const options = { client, log: trust.log, owner: owned.owner, at };
  const { draft } = await makeDeployment(
    { name: 'large', roles: [{ name: 'data', volume: { size: '90GiB' } }] },
    { ...options, controller: owned.key, resolveImage: async () => '' },
  );
  const nodes = (await owned.nodes()).flatMap(({ node }) => (node.id === first ? [node] : []));
  const other = await definition('other', { name: 'disk', volume: { size: '20GiB' } });
  const fits = async (): Promise<PlanResult> =>
    grid.json('contract', 'plan', other, '--node', 'node-1-1');
  assert.equal((await fits()).fits, true);
  await placeByHand(draft, nodes, options);
  const status = (name: string) => grid.json<StatusResult>('contract', 'status', name);
  const placed = await status(draft.header.name);
  assert.deepEqual([placed.id, placed.phase, placed.readyCount], [draft.id, 'provisioning', 0]);
  assert.deepEqual(placed.signatures, []);
  assert.equal(placed.workloads.length, draft.openings[0]?.role.replicas);
  const full = await fits();
  assert.equal(full.fits, false);
  assert.deepEqual(full.obstacles[0]?.lacking, [
    { need: 'choice', nodes: 24, only: 24 },
    { need: 'ssdBytes', nodes: 1, only: 1 },
  ]);
  await removeByHand(draft.id, options);
  assert.equal((await fits()).fits, true);
  assert.equal((await status(draft.id)).phase, 'closed');
  await assert.rejects(status('nobody'), hasCode('GRID_CONTRACT_UNKNOWN'));
});

test('what the own machines lack is bought where that is cheapest, within the budget', async () => {
  const web = {
    ...{ name: 'web', cpu: 1, memory: '1GiB', spread: { perOwner: 1 }, replicas: 2 },
    container: { flist: 'a'.repeat(64), rootBytes: '1GiB' },
  };
  const budget = { currency: 'EUR', perMonth: 1_500, total: 20_000 };
  const within = await file('within.json', JSON.stringify({ name: 'web', roles: [web], budget }));
  const plan = await grid.json<PlanResult>('contract', 'plan', within);
  const bought = plan.items.filter(({ perMonth }) => perMonth !== '0');
  assert.deepEqual(
    bought.map(({ farmName }) => farmName),
    ['attic'],
  );
  // A quarter of a compute unit, and a little storage that rounds it up: two cents an hour.
  assert.deepEqual([plan.cost.perMonth, plan.cost.isCheapest], ['1440', true]);
  const poor = await definition('poor', web);
  const { printed, status } = await grid.run('contract', 'plan', poor);
  assert.equal(status, 1);
  assert.match(printed, /the cheapest choice costs \d+ of the smallest unit of EUR a month/);
  assert.match(printed, /the budget is 0 of the smallest unit of EUR a month/);
  assert.match(
    printed,
    /\n {4}budget\.perMonth 1440 of the smallest unit of EUR in place of 0 .*, and budget\.total \d+ /,
  );
  assert.match(printed, /\n {4}web: replicas 1 in place of 2\n/);
  const rented = await grid.run('contract', 'plan', within, '--owner', 'bob', '--country', 'NO');
  assert.match(
    rented.printed,
    /web: 1 of 2 find a place; 1 of 25 nodes suit\n {4}24 were not named/,
  );
  await assert.rejects(
    grid.run('contract', 'plan', within, '--owner', 'nobody'),
    hasCode('GRID_USAGE'),
  );
});

test('two contracts are compared, and who has to agree is told', async () => {
  const volume = { name: 'disk', volume: { size: '1GiB' } };
  const from = await definition('from', volume);
  const output = join(grid.place.path, 'from.built.json');
  const { contract } = await grid.json<{ readonly contract: string }>(
    ...['contract', 'build', from, '--output', output],
  );
  const next = { name: 'from', replaces: contract, roles: [{ ...volume, replicas: 2 }] };
  const to = await file('to.json', JSON.stringify(next));
  const { printed } = await grid.run('contract', 'diff', output, to);
  assert.match(printed, /^disk\n\s+~\s+grow\s+replicas\s+1 -> 2$/m);
  assert.match(printed, /disk\s+begins empty: local data are not moved/);
  assert.match(printed, /upgrade: bot:\S+, owner of the first, and 1 of 1 as owner/);
  const same = await grid.run('contract', 'diff', output, output);
  assert.equal(same.printed, 'they say the same\n');
});
