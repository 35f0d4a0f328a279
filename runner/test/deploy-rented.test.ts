import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';

import { BcdbClient } from '@commongrid/bcdb/client';
import { isGridError, waitFor } from '@commongrid/base';
import type { BotId } from '@commongrid/model';

import { BotFolder } from '../src/commands/bot/bot-folder.ts';
import { PlannedGrid } from './fixtures/planned-grid.ts';

interface Shown {
  readonly places: readonly { readonly standing: string; readonly nodeName: string }[];
  readonly budget: object;
}

interface Status {
  readonly phase: string;
  readonly blocked: readonly { readonly code: string; readonly proposal?: string }[];
}

const waiting = { timeoutMs: 180_000, everyMs: 200 };

/** A contract of bea, which fern signs too, and which may go nowhere: bea's bot drafts one that may. */
async function proposeMore(grid: PlannedGrid): Promise<void> {
  const { path } = grid.place;
  const [source, file] = [join(path, 'web.json'), join(path, 'web.built.json')];
  const container = { flist: 'a'.repeat(64), rootBytes: '1GiB' };
  const definition = {
    ...{ name: 'web', roles: [{ name: 'web', memory: '64MiB', container }] },
    policy: { provision: [{ role: 'board', signers: ['bea', 'fern'], min: 2 }] },
    budget: { currency: 'EUR', perMonth: 1, total: 12 },
    // A machine that stalls is not to move anything.
    heal: { mayMoveTo: { countries: ['BE'] }, suspectAfterMs: 60_000, replaceAfterMs: 120_000 },
  };
  await writeFile(source, JSON.stringify(definition));
  await grid.runWith(['--bot', 'bea'], 'contract', 'build', source, '--output', file);
  await grid.jsonAs('bea', 'contract', 'propose', file);
  const status = (name: string): Promise<Status> => grid.jsonAs('bea', 'contract', 'status', name);
  for (const name of ['bea', 'fern']) await grid.jsonAs(name, 'contract', 'sign', 'web', '--yes');
  const proposal = await waitFor(async () => (await status('web')).blocked[0]?.proposal, {
    ...{ what: 'a proposal', ...waiting },
  });
  // Whoever signs sees it in the log: what it changes, and that its roles are the same.
  const asFern = ['--bot', 'fern'];
  const { printed: list } = await grid.runWith(asFern, 'contract', 'list');
  assert.match(list, /^web #2\s+proposed\s+bea\s+contract:\S+\s+replaces web$/m);
  const { printed: former } = await grid.runWith(asFern, 'contract', 'show', 'web');
  assert.match(former, /web #2 allows[^]*countries\s+\["BE"\] -> \["BE","NO"\][^]*sign contract:/);
  const { printed: draft } = await grid.runWith(asFern, 'contract', 'show', proposal);
  assert.match(draft, /budget\/perMonth\s+"1" -> "\d+"[^]*the same roles\s+web$/m);
  await grid.jsonAs('fern', 'contract', 'sign', proposal, '--yes');
  assert.equal((await status(proposal)).phase, 'signing');
  await grid.jsonAs('bea', 'contract', 'sign', proposal, '--yes');
  await waitFor(async () => (await status(proposal)).phase === 'running', {
    ...{ what: 'what was proposed', ...waiting },
  });
}

test('a deployment with a budget rents a place of another, and is ended like others', async () => {
  await using grid = await PlannedGrid.open();
  const { path, url, trust } = grid.place;
  for (const name of ['fern', 'bea']) await grid.bot(name);
  const { id } = await BotFolder.named(join(path, 'home'), 'fern').config();
  const client = await BcdbClient.connect({ url, trust, key: await grid.keyOf('fern') });
  const farmer = { bot: id as BotId, client };
  const prices = { unitHours: 1, cu: '1000', su: '100' } as object;
  const farm = await grid.farm('attic', { farmer, country: 'NO', prices });
  await grid.node(farm, farmer, 'shelf-1');
  await grid.allAlive(1);
  await grid.run('wallet', 'currency', 'create', 'EUR', '--json');
  await grid.run('wallet', 'send', 'bea', '10000', 'EUR', '--json');
  await using _fern = await grid.startBot('fern');
  await using _bea = await grid.startBot('bea');
  const over = new AbortController();
  const running = grid.runAll(over.signal).catch((error: unknown) => {
    if (!isGridError(error, 'BASE_ABORTED')) throw error;
  });
  const file = join(path, 'disk.json');
  await writeFile(
    file,
    JSON.stringify({ name: 'disk', roles: [{ name: 'data', volume: { size: '1GiB' } }] }),
  );
  const deployed = await grid.jsonAs<{ readonly is: string }>(
    ...['bea', 'deploy', file, '--budget', '1000', '--wait'],
  );
  assert.equal(deployed.is, 'there');
  const shown = await grid.jsonAs<Shown>('bea', 'contract', 'show', 'disk');
  assert.deepEqual(
    shown.places.map(({ standing, nodeName }) => [standing, nodeName]),
    [['paid', 'shelf-1']],
  );
  // A thousand a month, for thirteen months that have begun.
  assert.deepEqual(shown.budget, { currency: 'EUR', perMonth: '100000', total: '1300000' });
  await grid.jsonAs('bea', 'rm', 'disk', '--yes');
  await proposeMore(grid);
  over.abort();
  await running;
  const { lines } = await grid.jsonAs<{ readonly lines: readonly { readonly kind: string }[] }>(
    ...['bea', 'wallet', 'statement'],
  );
  assert.deepEqual([...new Set(lines.map(({ kind }) => kind))], ['transfer', 'escrow']);
});
