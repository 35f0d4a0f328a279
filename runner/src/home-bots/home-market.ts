import { existsSync } from 'node:fs';

import type { BcdbClient } from '@commongrid/bcdb/client';
import { isGridError, writeFileAtomic } from '@commongrid/base';
import { parse } from '@commongrid/model';
import type { AccountId, BotId, Farm } from '@commongrid/model';
import type { Wallet } from '@commongrid/wallet';

import type { CommandContext } from '../command-context.ts';
import { currencyOf, withWallet } from '../commands/wallet/own-wallet.ts';
import { GridHome } from '../home.ts';
import { readKeyFile } from '../key-file.ts';
import { homeFarm, writeFarm } from '../node/home-farm.ts';
import { OwnedGrid } from '../node/owned-grid.ts';
import { turnIn } from '../turn-in.ts';

/** The currency of a grid that knows no other: its owner issues it. Millionths are fine enough for an hour. */
const currency = { code: 'GRD', name: 'Grid', decimals: 6 };

/**
 * What the first farm asks for an hour of a unit, in millionths: 10 a month for compute, 8 for storage, 6 for an
 * address, as the original grid had it in dollars, and 0.05 for a GB that is sent.
 */
const prices = { cu: '14000', su: '11000', nu: '50000', ipv4: '8000' };

/** What the buyer begins with: 1000, in millionths. */
const startAmount = 1_000_000_000n;
/** Names that order: given again it pays nothing more. */
const startKey = 'start of the buyer';

/**
 * Gives the farm of a new grid prices, and its buyer money, once: each step looks whether it was done, and after the
 * last one a file says so. What their owners change later stays. The caller has the turn of the bots.
 */
export async function openHomeMarket(context: CommandContext, buyer: BotId): Promise<void> {
  const home = new GridHome(context.environment.home);
  if (existsSync(home.marketFile)) return;
  const transfer = await withWallet(context, {}, async ({ bot: owner, client, wallet }) => {
    await issueOnce(client, wallet, owner);
    const farm = await sell(home, client);
    const order = { key: startKey, to: buyer as AccountId, amount: startAmount };
    const id = await wallet.transfer({ ...order, currency: currency.code, memo: startKey });
    return { farm, transfer: id };
  });
  const done = { schema: 'grid.home.market.1', currency: currency.code, ...transfer };
  await writeFileAtomic(home.marketFile, `${JSON.stringify(done)}\n`, { mode: 0o600 });
}

async function issueOnce(client: BcdbClient, wallet: Wallet, issuer: BotId): Promise<void> {
  try {
    await currencyOf(client, currency.code);
  } catch (error) {
    if (!isGridError(error, 'GRID_CURRENCY_UNKNOWN')) throw error;
    await wallet.issue({ ...currency, issuer });
  }
}

/** A farm that asks for something already keeps its prices. */
async function sell(home: GridHome, client: BcdbClient): Promise<Farm['id']> {
  await using _turn = await turnIn(home.identity);
  const owner = await readKeyFile(home.ownerKeyFile);
  const farm = await homeFarm(client, await OwnedGrid.open(client, owner.publicKey.text));
  const { cu, su, nu, ipv4 } = farm.prices;
  if ([cu, su, nu, ipv4].every((price) => price === undefined)) {
    const asked = { currency: currency.code, unitHours: 1, ...prices };
    await writeFarm(client, parse('grid.farm.1', { ...farm, prices: asked }));
  }
  return farm.id;
}
