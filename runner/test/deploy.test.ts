import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';

import { isGridError } from '@commongrid/base';
import { hasCode } from '@commongrid/base/testing';
import type { NodeId, RecordOf } from '@commongrid/model';

import { PlannedGrid } from './fixtures/planned-grid.ts';

interface Deployed {
  readonly contract: string;
  readonly is: string;
}

/** One database, and nodes that say that they live, and run all that is placed there. */
let grid: PlannedGrid;
let nodes: readonly NodeId[];
let running: Promise<unknown>;
const over = new AbortController();

before(async () => {
  grid = await PlannedGrid.open();
  const farm = await grid.farm('cellar', { farmer: grid.ada, country: 'BE' });
  nodes = [
    await grid.node(farm, grid.ada, 'shelf-1'),
    await grid.node(farm, grid.ada, 'shelf-2'),
    await grid.node(farm, grid.ada, 'shelf-3'),
  ];
  await grid.allAlive(3);
  running = grid.runAll(over.signal).catch((error: unknown) => {
    if (!isGridError(error, 'BASE_ABORTED')) throw error;
  });
});

after(async () => {
  over.abort();
  await running;
  await grid[Symbol.asyncDispose]();
});

async function deploy(name: string, role: object, ...words: string[]): Promise<Deployed> {
  const file = join(grid.place.path, `${name}.json`);
  const secrets = { admin: 'sesame' };
  const data = { name: 'data', ...role };
  await writeFile(file, JSON.stringify({ name, secrets, roles: [data] }));
  return grid.json<Deployed>('deploy', file, ...words);
}

async function placementOf(contract: string): Promise<RecordOf<'grid.placement.1'>> {
  // It sees all that commands wrote.
  await grid.place.client.checkpoint();
  const { value } = await grid.place.client.get('grid', 'grid.placement.1', contract);
  return value as RecordOf<'grid.placement.1'>;
}

test('replicas that may be anywhere go to several nodes, by a controller in the command', async () => {
  const zdb = { size: '16MiB', password: 'admin' };
  const { is, contract } = await deploy('store', { zdb, replicas: 3 });
  assert.equal(is, 'there');
  const { items } = await placementOf(contract);
  assert.deepEqual(new Set(items.map(({ node }) => node)), new Set(nodes));
  await assert.rejects(deploy('store', { zdb }), hasCode('GRID_NAME_TAKEN'));

  // Another command controls it then.
  await assert.rejects(grid.run('rm', 'store'), (error) => {
    assert.ok(isGridError(error, 'GRID_USAGE'), String(error));
    assert.equal(error.hint, './grid rm store --yes');
    return true;
  });
  assert.equal((await placementOf(contract)).items.length, 3);
  await grid.run('rm', 'store', '--yes', '--json');
  assert.deepEqual((await placementOf(contract)).items, []);
  await assert.rejects(grid.run('rm', 'store'), hasCode('GRID_CONTRACT_UNKNOWN'));
});

test('a node that is named gets all of it', async () => {
  const role = { volume: { size: '1GiB' }, replicas: 2 };
  const { contract } = await deploy('disk', role, '--node', 'shelf-2');
  const { items } = await placementOf(contract);
  assert.deepEqual(
    items.map(({ node }) => node),
    [nodes[1], nodes[1]],
  );
  // Its end was agreed to before: there is nothing more to sign.
  await grid.run('contract', 'remove', contract, '--yes', '--json');
  await grid.run('rm', 'disk', '--yes', '--json');
  assert.deepEqual((await placementOf(contract)).items, []);
});

test('what fits nowhere says what it waits for and what to do, and is taken back unplaced', async () => {
  const role = { volume: { size: '1TiB' } };
  await assert.rejects(deploy('large', role, '--timeout', '60'), (error) => {
    assert.ok(isGridError(error, 'GRID_DEPLOY_BLOCKED'), String(error));
    assert.deepEqual(error.details['blocked'], ['HEAL_NOTHING_FITS']);
    assert.match(error.hint ?? '', /grid rm contract:\S+, then grid deploy \S+ --budget AMOUNT/);
    return true;
  });
  const { contract } = await grid.json<Deployed>('rm', 'large');
  const { phase } = await grid.json<{ readonly phase: string }>('contract', 'status', contract);
  assert.equal(phase, 'closed');
  await assert.rejects(grid.run('rm', 'large'), hasCode('GRID_CONTRACT_UNKNOWN'));

  // Rents are for a bot that runs, in a currency that there is.
  await assert.rejects(deploy('large', role, '--budget', '5'), hasCode('GRID_USAGE'));
  await assert.rejects(deploy('large', role, '--currency', 'EUR'), hasCode('GRID_USAGE'));
  await grid.run('wallet', 'currency', 'create', 'EUR', '--json');
  await assert.rejects(deploy('large', role, '--budget', '5'), hasCode('GRID_BOT_STOPPED'));
});

test('a dry run says where it would run, and signs nothing', async () => {
  const role = { volume: { size: '1GiB' }, replicas: 2 };
  const plan = await deploy('drawn', role, '--dry-run');
  const { fits, items } = plan as unknown as { readonly fits: boolean; readonly items: object[] };
  assert.deepEqual([fits, items.length], [true, 2]);
  await grid.place.client.checkpoint();
  await assert.rejects(grid.run('rm', 'drawn'), hasCode('GRID_CONTRACT_UNKNOWN'));
  const file = join(grid.place.path, 'vast.json');
  const vast = { name: 'data', volume: { size: '1PiB' } };
  await writeFile(file, JSON.stringify({ name: 'vast', roles: [vast] }));
  const { status, printed } = await grid.run('deploy', file, '--dry-run');
  assert.equal(status, 1);
  assert.match(printed, /^vast does not fit$/m);
});

test('who detaches needs a bot that goes on', async () => {
  const role = { volume: { size: '1GiB' } };
  await assert.rejects(deploy('alone', role, '--detach'), hasCode('GRID_BOT_STOPPED'));
  await assert.rejects(grid.run('rm', 'alone'), hasCode('GRID_CONTRACT_UNKNOWN'));
});

test('answers that are missing, unknown or wrong are refused before anything is signed', async () => {
  const file = join(grid.place.path, 'answers.json');
  const answered = async (answers: object, ...words: string[]): Promise<unknown> => {
    await writeFile(file, JSON.stringify(answers));
    return grid.run('deploy', 'redis', '--answers', file, '--json', ...words);
  };
  await assert.rejects(answered({ name: 'cache' }), (error) => {
    assert.ok(isGridError(error, 'SOLUTION_ANSWER_MISSING'), String(error));
    assert.match(error.message, /: size, memory, cpu, full, publish, password, image$/);
    return true;
  });
  await assert.rejects(answered({ colour: 'red' }, '--yes'), hasCode('SOLUTION_ANSWER_UNKNOWN'));
  await assert.rejects(answered({ cpu: -1 }, '--yes'), hasCode('SOLUTION_ANSWER_INVALID'));
  await writeFile(file, 'no JSON');
  const words = ['deploy', 'redis', '--answers', file];
  await assert.rejects(grid.run(...words), hasCode('GRID_FILE_UNREADABLE'));
  await assert.rejects(grid.run('deploy', 'rediss', '--yes'), hasCode('SOLUTION_UNKNOWN'));
  const asFile = ['deploy', './rediss', '--answers', file];
  await assert.rejects(grid.run(...asFile), hasCode('GRID_USAGE'));
});
