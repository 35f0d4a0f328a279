import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';

import { TestGrid } from './grid-process.ts';

interface Balance {
  readonly balances: readonly { readonly currency: string; readonly amount: string }[];
}

interface Statement {
  readonly lines: readonly { readonly amount: string; readonly balance: string }[];
}

test('an owner issues money, pays another bot once for an order, and reads where it went', async () => {
  await using grid = await TestGrid.open();
  await grid.json('up', '--port-base', '0');
  assert.deepEqual(await grid.json<Balance>('wallet', 'balance'), {
    ...{ schema: 'grid.wallet.balance.1', balances: [] },
  });
  await grid.json('wallet', 'currency', 'create', 'TFT', '--decimals', '2', '--max', '100');
  const [key, words] = ['bob.key', 'bob.words'].map((name) => join(grid.home, name));
  assert.ok(key !== undefined && words !== undefined);
  await grid.json('bcdb', 'bot', 'new', 'bob', key, '--words-file', words);
  const send = (...rest: string[]) => grid.run('wallet', 'send', 'bob', ...rest);
  const paid = await send('12.50', 'TFT', '--key', 'march', '--memo', 'rent');
  assert.equal(paid.status, 0, paid.stderr);
  assert.equal((await send('12.50', 'TFT', '--key', 'march', '--memo', 'rent')).status, 0);
  const other = await send('13', 'TFT', '--key', 'march');
  assert.match(other.stderr, /WALLET_KEY_REUSED/);
  const tooMuch = await send('87.51', 'TFT');
  assert.match(tooMuch.stderr, /CURRENCY_SUPPLY/);
  assert.match((await send('1', 'XYZ')).stderr, /GRID_CURRENCY_UNKNOWN/);
  const { balances } = await grid.json<Balance>('wallet', 'balance');
  assert.deepEqual(
    balances.map(({ currency, amount }) => [currency, amount]),
    [['TFT', '-1250']],
  );
  const { lines } = await grid.json<Statement>('wallet', 'statement');
  assert.deepEqual(
    lines.map(({ amount, balance }) => [amount, balance]),
    [['-1250', '-1250']],
  );
  const csv = await grid.run('wallet', 'statement', '--csv');
  assert.match(csv.stdout, /,transfer,transfer:[^,]+,TFT,-1250,-1250,bot:[^,]+,rent/);
  const bobs = await grid.json<Balance>('wallet', 'balance', '--key-file', key);
  assert.deepEqual(
    bobs.balances.map(({ currency, amount }) => [currency, amount]),
    [['TFT', '1250']],
  );
  const settled = await grid.run('wallet', 'settle');
  assert.equal(settled.stdout.trim(), 'nothing is due');
});
