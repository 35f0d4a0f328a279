import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';

import { BcdbClient } from '@commongrid/bcdb/client';
import { isGridError } from '@commongrid/base';
import type { BotId } from '@commongrid/model';

import { BotFolder } from '../src/commands/bot/bot-folder.ts';
import { PlannedGrid } from './fixtures/planned-grid.ts';

interface Shown {
  readonly places: readonly { readonly standing: string; readonly nodeName: string }[];
  readonly budget: object;
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
  await grid.jsonAs('bea', 'rm', 'disk');
  over.abort();
  await running;
  const { lines } = await grid.jsonAs<{ readonly lines: readonly { readonly kind: string }[] }>(
    ...['bea', 'wallet', 'statement'],
  );
  assert.deepEqual([...new Set(lines.map(({ kind }) => kind))], ['transfer', 'escrow']);
});
