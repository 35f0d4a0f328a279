import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';

import { waitFor } from '@commongrid/base';

import { TestGrid } from './grid-process.ts';

interface Up {
  readonly identity: { readonly bot: string };
  readonly services: Record<string, { readonly address: string; readonly pid: number }>;
  readonly bots: { readonly ids: Record<string, string>; readonly lack: string | null };
}

interface Status {
  readonly up: boolean;
  readonly services: Record<string, { phase: string; pid: number | null; restartCount: number }>;
}

interface Money {
  readonly balances: readonly { readonly currency: string; readonly amount: string }[];
}

interface Statement {
  readonly lines: readonly { readonly amount: string; readonly currency: string }[];
}

interface Farms {
  readonly farms: readonly {
    readonly id: string;
    readonly prices: Readonly<Record<string, unknown>>;
  }[];
}

const startMoney = [{ currency: 'GRD', amount: '1000000000', shown: '1000.000000' }];
const deadline = { timeoutMs: 60_000, everyMs: 200 };

async function farmsOf(grid: TestGrid): Promise<Farms['farms']> {
  return (await grid.json<Farms>('node', 'farm', 'list')).farms;
}

/** Versions of the record of a farm. */
async function farmVersions(grid: TestGrid, id = ''): Promise<number> {
  const { versions } = await grid.json<{ versions: unknown[] }>(
    ...['bcdb', 'history', 'grid', 'grid.farm.1', id],
  );
  return versions.length;
}

test('up brings a farmer with prices and a buyer with money, once', async () => {
  await using grid = await TestGrid.open({ hasBots: true });
  const [up, same] = await Promise.all([1, 2].map(() => grid.json<Up>('up', '--port-base', '0')));
  assert.ok(up !== undefined && same !== undefined);
  assert.deepEqual(same.bots, up.bots);
  assert.equal(up.bots.lack, null);
  assert.equal(up.bots.ids['farmer'], up.identity.bot);
  const { services, up: isUp } = await grid.json<Status>('status');
  assert.equal(isUp, true);
  for (const name of ['bot-farmer', 'bot-buyer']) assert.equal(services[name]?.phase, 'running');
  assert.deepEqual(
    (await grid.json<Money>('wallet', 'balance', '--bot', 'buyer')).balances,
    startMoney,
  );
  const [farm] = await farmsOf(grid);
  assert.deepEqual(farm?.prices, {
    ...{ currency: 'GRD', unitHours: 1, cu: '14000', su: '11000', nu: '50000', ipv4: '8000' },
  });
  assert.equal(await farmVersions(grid, farm?.id), 2);
  // As after an end just before it was noted that all is done.
  await rm(join(grid.home, 'bots', 'market.json'));
  const again = await grid.json<Up>('up');
  assert.deepEqual(again.services, up.services);
  assert.equal(await farmVersions(grid, farm?.id), 2);
  const { lines } = await grid.json<Statement>('wallet', 'statement', '--bot', 'buyer');
  assert.deepEqual(
    lines.map(({ amount }) => amount),
    ['1000000000'],
  );
});

test('bots that were killed or stopped come again, at other ports too, without the words', async () => {
  await using grid = await TestGrid.open({ hasBots: true });
  const { services } = await grid.json<Up>('up', '--port-base', '0');
  const { pid } = services['bot-buyer'] ?? {};
  assert.ok(pid !== undefined);
  process.kill(pid, 'SIGKILL');
  const isBack = async (): Promise<boolean> => {
    const buyer = (await grid.json<Status>('status')).services['bot-buyer'];
    return buyer?.phase === 'running' && buyer.pid !== pid && buyer.restartCount >= 1;
  };
  await waitFor(isBack, { ...deadline, what: 'a new process' });
  await grid.json('down');
  await rm(join(grid.home, 'identity', 'recovery-words'));
  const moved = await grid.json<Up>('up', '--port-base', '0');
  assert.equal(moved.bots.lack, null);
  assert.notEqual(moved.services['bcdb']?.address, services['bcdb']?.address);
  assert.deepEqual(
    (await grid.json<Money>('wallet', 'balance', '--bot', 'buyer')).balances,
    startMoney,
  );
  const about = await grid.json<{ isRunning: boolean }>('bot', 'status', 'farmer');
  assert.equal(about.isRunning, true);
  await grid.json('down', '--wipe', '--yes');
  assert.equal(existsSync(join(grid.home, 'bots')), false);
});

test('a grid without bots gets them when they are wanted, and says what they lack', async () => {
  await using grid = await TestGrid.open();
  const [words, away] = ['recovery-words', 'elsewhere'].map((name) =>
    join(grid.home, 'identity', name),
  );
  assert.ok(words !== undefined && away !== undefined);
  const { bots } = await grid.json<Up>('up', '--port-base', '0');
  assert.deepEqual(bots, { ids: {}, lack: 'not wanted; ./grid up --bots' });
  await rename(words, away);
  const lacking = await grid.runOnly('up', '--bots', '--json');
  assert.equal(lacking.status, 0, lacking.stderr);
  assert.match((JSON.parse(lacking.stdout) as Up).bots.lack ?? '', /^GRID_WORDS_MISSING: /);
  await rename(away, words);
  const wanted = JSON.parse((await grid.runOnly('up', '--json')).stdout) as Up;
  assert.equal(wanted.bots.lack, null);
  assert.match(
    await readFile(join(grid.home, 'bots', 'buyer', 'words'), 'utf8'),
    /^(\w+ ){23}\w+\n$/,
  );
  const none = JSON.parse((await grid.runOnly('up', '--no-bots', '--json')).stdout) as Up;
  assert.equal(none.services['bot-buyer'], undefined);
  assert.equal((await grid.json<Status>('status')).up, true);
});
