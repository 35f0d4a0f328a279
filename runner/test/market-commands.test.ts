import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';

import { BcdbClient } from '@commongrid/bcdb/client';
import { waitFor } from '@commongrid/base';
import { hasCode } from '@commongrid/base/testing';
import { draftContract } from '@commongrid/model';
import type { BotId, ContractId, KeyText, LockId } from '@commongrid/model';
import { examples } from '@commongrid/model/testing';

import { childVariables } from '../src/environment.ts';
import { BotFolder } from '../src/commands/bot/bot-folder.ts';
import { PlannedGrid } from './fixtures/planned-grid.ts';
import type { Farmer } from './fixtures/planned-grid.ts';

const main = new URL('../src/main.ts', import.meta.url).pathname;

interface Quote {
  readonly id: string;
  readonly perMonth: string;
  readonly currency: string;
}

interface Steps {
  readonly steps: readonly {
    readonly deal: string;
    readonly side: string;
    readonly step: string;
  }[];
}

/** A bot of this machine, and what writes with its key as long as it does not run. */
async function botOf(grid: PlannedGrid, home: string, name: string): Promise<Farmer> {
  await grid.bot(name);
  const { id } = await BotFolder.named(home, name).config();
  const { url, trust } = grid.place;
  const client = await BcdbClient.connect({ url, trust, key: await grid.keyOf(name) });
  return { bot: id as BotId, client };
}

async function startBot(home: string, name: string): Promise<ChildProcess> {
  const child = spawn(process.execPath, [main, 'bot', 'start', name, '--json'], {
    env: childVariables({ ...process.env, GRID_HOME: home }),
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  assert.ok(child.stdout);
  const ended = once(child, 'exit').then(() => assert.fail(`${name} ended`));
  await Promise.race([once(child.stdout, 'data'), ended]);
  return child;
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exit = once(child, 'exit');
  child.kill('SIGTERM');
  await exit;
}

async function contractOf(
  grid: PlannedGrid,
  { bot, client }: Farmer,
  key: KeyText,
): Promise<ContractId> {
  const { log } = grid.place.trust;
  const draft = draftContract({
    ...{ log, name: 'shop', owner: bot, controller: key, secrets: new Map() },
    roles: [examples['grid.slice.1'].opening.role],
    term: { fromMs: 0, untilMs: Date.now() + 86_400_000, graceMs: 0 },
    draw: (count) => randomBytes(count),
  });
  await grid.place.put('grid.contract.1', draft.id, draft.header, client);
  return draft.id;
}

interface PlanResult {
  readonly fits: boolean;
  readonly items: readonly { readonly farmName: string; readonly price: string }[];
  readonly cost: { readonly perMonth: string };
  readonly answers: readonly { readonly name: string; readonly is: string }[];
}

/** A contract of a bot for one machine of others, built into a file. */
async function builtContract(grid: PlannedGrid, home: string, bot: string): Promise<string> {
  const path = join(home, `${bot}.json`);
  const web = {
    ...{ name: 'web', cpu: 2, memory: '4GiB' },
    container: { flist: 'a'.repeat(64), rootBytes: '16MiB' },
  };
  const budget = { currency: 'EUR', perMonth: '800000', total: '10000000' };
  await writeFile(path, JSON.stringify({ name: 'web', budget, days: 100, roles: [web] }));
  const built = join(home, `${bot}.built.json`);
  await grid.jsonAs(bot, 'contract', 'build', path, '--output', built);
  return built;
}

test('capacity is searched for, asked for, bargained over and taken by commands', async (t) => {
  await using grid = await PlannedGrid.open();
  const home = join(grid.place.path, 'home');
  const fern = await botOf(grid, home, 'fern');
  const bea = await botOf(grid, home, 'bea');
  const prices = { unitHours: 1, cu: '1000', su: '0' } as object;
  const farm = await grid.farm('attic', { farmer: fern, country: 'NO', prices });
  const node = await grid.node(farm, fern, 'shelf-1');
  const key = (await grid.keyOf('bea')).publicKey.text as KeyText;
  const contract = await contractOf(grid, bea, key);
  await grid.allAlive(1);

  const size = ['--cpu', '2', '--memory', '4GiB', '--ssd', '0'];
  const search = (...words: string[]) =>
    grid.json<{ nodes: { node: string; perMonth: string; farm: object; farmer: object }[] }>(
      ...['market', 'search', ...size, ...words],
    );
  const [found] = (await search('--country', 'NO', '--feature', 'zdb')).nodes;
  assert.deepEqual([found?.node, found?.perMonth], [node, '720000']);
  assert.deepEqual(found?.farmer, { id: fern.bot, name: 'fern' });
  assert.deepEqual((await search('--country', 'BE')).nodes, []);
  const shown = await grid.run('market', 'search', ...size);
  assert.match(shown.printed, /shelf-1 +attic, Town NO +fern +4 cores +8 GiB memory/);
  assert.match(shown.printed, /720000 of the smallest unit of EUR a month/);

  const ask = (...words: string[]) =>
    grid.jsonAs<Quote>('bea', 'market', 'quote', 'shelf-1', ...size, ...words);
  await assert.rejects(ask(), hasCode('GRID_BOT_STOPPED'));
  await assert.rejects(grid.run('market', 'quote', 'shelf-1'), hasCode('GRID_USAGE'));
  const running = [await startBot(home, 'fern'), await startBot(home, 'bea')];
  t.after(() => Promise.all(running.map(stop)));
  await assert.rejects(
    grid.jsonAs('bea', 'market', 'quote', 'nowhere'),
    hasCode('GRID_NODE_UNKNOWN'),
  );
  const answer = await grid.runWith(['--bot', 'bea'], 'market', 'quote', 'shelf-1', ...size);
  assert.match(answer.printed, /: 720000 of the smallest unit of EUR a month\n/);
  assert.match(answer.printed, /24 hours to object; without an agreement the farmer is paid/);
  const idle = await ask();
  const take = (quote: string) =>
    grid.jsonAs<{ locks: { id: LockId }[] }>('bea', 'market', 'take', quote);
  await assert.rejects(take(idle.id), hasCode('MARKET_CONTRACT_UNKNOWN'));

  const { id, perMonth } = await ask('--contract', contract, '--role', 'shard', '--days', '20');
  assert.equal(perMonth, '720000');
  const counter = ['market', 'counter', id, '6900.00', 'EUR'];
  await assert.rejects(grid.jsonAs('bea', ...counter), hasCode('GRID_CURRENCY_UNKNOWN'));
  await grid.run('wallet', 'currency', 'create', 'EUR');
  assert.equal((await grid.jsonAs<Quote>('bea', ...counter)).perMonth, '689760');
  const cheap = ['--currency', 'EUR', '--max-price'];
  assert.equal((await search(...cheap, '7200.00')).nodes.length, 1);
  assert.equal((await search(...cheap, '7199.99')).nodes.length, 0);
  assert.match((await grid.run('market', 'search', ...size)).printed, /7200\.00 EUR a month/);
  const { locks } = await take(id);
  assert.equal(locks.length, 1);
  // What her bot wrote, too.
  await bea.client.checkpoint();
  const { value } = await bea.client.get('grid', 'grid.lock.1', locks[0]?.id ?? '');
  const { contract: its, buyer, farmer } = value as Record<string, unknown>;
  assert.deepEqual([its, buyer, farmer], [contract, bea.bot, fern.bot]);
  for (const [name, side] of [
    ['bea', 'buyer'],
    ['fern', 'farmer'],
  ] as const) {
    const words = ['market', 'transcripts', name, '--deal', id, '--json'];
    const { steps } = JSON.parse((await grid.runWith([], ...words)).printed) as Steps;
    assert.deepEqual(
      steps.map((one) => `${one.side} ${one.step}`),
      ['intent', 'quote', 'counter', 'quote', 'accept', 'locked'].map((step) => `${side} ${step}`),
    );
  }
  const all = await grid.runWith([], 'market', 'transcripts', 'bea');
  assert.match(all.printed, /MARKET_CONTRACT_UNKNOWN/);
  // What farmers say when they are asked decides over where a contract is planned.
  const oak = await botOf(grid, home, 'oak');
  const dearer = { unitHours: 1, cu: '1100', su: '0' } as object;
  const barn = await grid.farm('barn', { farmer: oak, country: 'BE', prices: dearer });
  await grid.node(barn, oak, 'shelf-2');
  await grid.allAlive(2);
  running.push(await startBot(home, 'oak'));
  const discounts = { term: [{ days: 90, percent: 20 }] };
  const shownRules = await grid.runWith([], 'market', 'rules', 'oak', '--json');
  const { file: farmerFile } = JSON.parse(shownRules.printed) as { readonly file: string };
  await writeFile(farmerFile, JSON.stringify({ schema: 'grid.farmer.1', discounts }));
  const built = await builtContract(grid, home, 'bea');
  const planned = (...words: string[]) =>
    grid.jsonAs<PlanResult>('bea', 'contract', 'plan', built, ...words);
  const listed = await planned('--no-quotes');
  assert.deepEqual(listed.answers, []);
  assert.deepEqual(
    listed.items.map((one) => [one.farmName, one.price]),
    [['attic', 'list']],
  );
  // On a busy machine a farmer may not answer in time; then his list counts.
  const answered = (is: string) => {
    const look = async (): Promise<PlanResult | undefined> => {
      const plan = await planned();
      const said = plan.answers.map((one) => `${one.name} ${one.is}`).toSorted();
      return said.join() === ['attic quoted', `barn ${is}`].join() ? plan : undefined;
    };
    return waitFor(look, { what: `barn ${is}`, timeoutMs: 120_000, everyMs: 500 });
  };
  const quoted = await answered('quoted');
  assert.deepEqual(
    quoted.items.map((one) => [one.farmName, one.price]),
    [['barn', 'quoted']],
  );
  // A fifth off 1,100 an hour, and 1,000 elsewhere.
  assert.deepEqual([listed.cost.perMonth, quoted.cost.perMonth], ['720000', '633600']);
  await writeFile(farmerFile, JSON.stringify({ schema: 'grid.farmer.1', isSelling: false }));
  const [left] = (await answered('declined')).items;
  assert.deepEqual([left?.farmName, left?.price], ['attic', 'quoted']);
  const rules = await grid.runWith([], 'market', 'rules', 'fern');
  assert.match(rules.printed, /farmer\.json[^]*"mostPercent": 10/);
});
