import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';

import { BcdbClient } from '@commongrid/bcdb/client';
import { waitFor } from '@commongrid/base';
import { hasCode } from '@commongrid/base/testing';
import type { BotId, ContractId } from '@commongrid/model';

import { KeptContracts } from '../src/bot-service/kept-contracts.ts';
import { byRunningBot } from '../src/bot-service/write-by-bot.ts';
import { BotFolder } from '../src/commands/bot/bot-folder.ts';
import { PlannedGrid } from './fixtures/planned-grid.ts';

interface Listed {
  readonly contracts: readonly {
    readonly contract: string;
    readonly name: string;
    readonly phase: string;
    readonly readyCount: number;
    readonly workloadCount: number;
    readonly ownerName: string;
    readonly perMonth: readonly unknown[];
  }[];
}

interface Workloads {
  readonly contract: string;
  readonly workloads: readonly {
    readonly name: string;
    readonly nodeName: string;
    readonly phase: string | null;
  }[];
}

const patience = { timeoutMs: 120_000, everyMs: 300 };

/** A grid in which dora has a bot that runs, and a node that says of all that it is healthy. */
let grid: PlannedGrid;
const running = new AbortController();
let dora: AsyncDisposable | undefined;
let node: string;

before(async () => {
  grid = await PlannedGrid.open();
  await grid.bot('dora');
  await grid.bot('eli');
  const { url, trust, path } = grid.place;
  const folder = BotFolder.named(join(path, 'home'), 'dora');
  const { id } = await folder.config();
  dora = await grid.startBot('dora');
  const writeElsewhere = byRunningBot(folder.controlSocket);
  const key = await folder.device();
  const client = await BcdbClient.connect({ url, trust, key, writeElsewhere });
  const farmer = { bot: id as BotId, client };
  node = await grid.node(await grid.farm('doras-farm', { farmer, country: 'BE' }), farmer, 'shelf');
  grid.runAll(running.signal).catch(() => {});
  await grid.allAlive(1);
});

after(async () => {
  running.abort();
  await dora?.[Symbol.asyncDispose]();
  await grid[Symbol.asyncDispose]();
});

/** Builds, proposes and signs a version of dora's contract; its upgrade is for her alone, too. */
async function propose(file: string, size: string, replaces?: string): Promise<string> {
  const roles = [{ name: 'disk', replicas: 2, volume: { size }, data: 'none' }];
  const source = join(grid.place.path, `${file}.json`);
  await writeFile(source, JSON.stringify({ name: 'store', roles, replaces }));
  const output = join(grid.place.path, `${file}.built.json`);
  await grid.jsonAs('dora', 'contract', 'build', source, '--output', output);
  const { contract } = await grid.jsonAs<{ readonly contract: string }>(
    ...(['dora', 'contract', 'propose', output] as const),
  );
  await grid.jsonAs('dora', 'contract', 'sign', contract, '--yes');
  return contract;
}

/** Until a contract runs in full, and the one before has nothing any more. */
function runs(contract: string): Promise<unknown> {
  const look = async (): Promise<boolean> => {
    const { contracts } = await grid.jsonAs<Listed>('dora', 'ls');
    const one = contracts.find((row) => row.contract === contract);
    const others = contracts.filter((row) => row.contract !== contract);
    const isAll = one?.phase === 'running' && one.readyCount === 2;
    return isAll && others.every(({ workloadCount }) => workloadCount === 0);
  };
  return waitFor(look, { ...patience, what: `${contract} to run alone` });
}

test('a contract is listed and described by its name, and its version before comes back', async () => {
  await assert.rejects(grid.jsonAs('dora', 'ls', 'store'), hasCode('GRID_CONTRACT_UNKNOWN'));
  assert.match((await grid.runWith(['--bot', 'dora'], 'ls')).printed, /^there are none; next: /);
  const first = await propose('first', '1GiB');
  await runs(first);
  const rollback = (): Promise<{ readonly contract: string; readonly missing: unknown[] }> =>
    grid.jsonAs('dora', 'rollback', 'store', '--yes');
  await assert.rejects(rollback(), hasCode('GRID_VERSION_MISSING'));
  const second = await propose('second', '2GiB', first);
  await runs(second);

  // By its name it is the one that runs, though the former one is not closed.
  const { contract, workloads } = await grid.jsonAs<Workloads>('dora', 'ls', 'store');
  assert.equal(contract, second);
  const shown = workloads.map(({ name, nodeName, phase }) => [name, nodeName, phase]);
  assert.deepEqual(shown, [
    ['store/disk/0', 'shelf', 'healthy'],
    ['store/disk/1', 'shelf', 'healthy'],
  ]);
  const { printed } = await grid.runWith(['--bot', 'dora'], 'ls');
  assert.match(printed, /^store +running +2 of 2 ready +no rent +until \S+Z +dora$/m);
  // Who has no part in it does not see it.
  const { contracts } = await grid.jsonAs<Listed>('eli', 'ls');
  assert.deepEqual(contracts, []);

  const told = (await grid.runWith(['--bot', 'dora'], 'describe', 'store')).printed;
  assert.match(told, /^store is running, 2 of 2 ready\ncontract:/);
  assert.match(told, /^Last events\n {2}\S+Z +disk\/\d +shelf +healthy$/m);
  assert.match(told, new RegExp(`^ {2}replaces +${first}$`, 'm'));
  const machine = (await grid.runWith(['--bot', 'dora'], 'describe', 'shelf')).printed;
  assert.match(machine, /^shelf is alive, heard \d+ s ago$/m);
  assert.match(machine, /^ {2}farm +doras-farm in Town, BE$/m);
  assert.match(machine, /^ {2}store\/disk\/1 +healthy$/m);
  const byId = await grid.jsonAs<{ readonly name: string }>('dora', 'describe', node);
  assert.equal(byId.name, 'shelf');
  await assert.rejects(grid.jsonAs('dora', 'describe', 'nobody'), hasCode('GRID_CONTRACT_UNKNOWN'));

  // Nobody agrees for dora without being told to.
  await assert.rejects(grid.jsonAs('dora', 'rollback', 'store'), hasCode('GRID_USAGE'));
  const back = await rollback();
  assert.deepEqual(back.missing, []);
  await runs(back.contract);
  const papers = await KeptContracts.open(
    BotFolder.named(join(grid.place.path, 'home'), 'dora').contracts,
  );
  const headerOf = (id: string) => papers.of(id as ContractId)?.draft.header;
  assert.deepEqual(headerOf(back.contract)?.roles, headerOf(first)?.roles);
  assert.notDeepEqual(headerOf(back.contract)?.roles, headerOf(second)?.roles);
  assert.equal(headerOf(back.contract)?.replaces, second);
  await assert.rejects(
    grid.jsonAs('eli', 'rollback', back.contract, '--yes'),
    hasCode('GRID_CONTRACT_UNKNOWN'),
  );
});
