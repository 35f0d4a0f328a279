import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { GridError, isGridError } from '@commongrid/base';
import { HttpLightSource } from '@commongrid/bcdb/client';
import type { BcdbClient } from '@commongrid/bcdb/client';
import { idPatterns } from '@commongrid/model';
import type { AccountId, BotId, Currency } from '@commongrid/model';
import { LogRail, Wallet } from '@commongrid/wallet';

import type { CommandContext } from '../../command-context.ts';
import type { GridErrorCode } from '../../errors.ts';
import { GridHome } from '../../home.ts';
import { readLogFacts } from '../../node/log-facts.ts';
import type { ServerOptions } from '../bcdb/connection.ts';
import { ownedGrid } from '../node/farm.ts';
import { readSecret } from '../zdb/connection.ts';

/** The wallet of the bot that a command acts for. */
export interface OwnWallet {
  readonly bot: BotId;
  readonly client: BcdbClient;
  readonly wallet: Wallet;
}

/**
 * Does something with the wallet of the bot. Its feed is read anew each time: two commands at once
 * would share a follower's folder.
 */
export async function withWallet<T>(
  context: CommandContext,
  options: ServerOptions,
  work: (own: OwnWallet) => Promise<T>,
): Promise<T> {
  const { client, url, trust, key, grid } = await ownedGrid(context, options);
  const { releaseKeys } = await readLogFacts(client, trust.log);
  const home = new GridHome(context.environment.home);
  const who =
    key === undefined
      ? { token: await readSecret(options.tokenFile ?? home.ownerTokenFile) }
      : { key };
  await using stack = new AsyncDisposableStack();
  const folder = await mkdtemp(join(tmpdir(), 'grid-wallet-'));
  stack.defer(() => rm(folder, { recursive: true, force: true }));
  const rail = stack.use(
    await LogRail.open({
      ...{ folder, client, trust, bot: grid.owner, releaseKeys },
      source: new HttpLightSource({ url, log: trust.log, ...who }),
    }),
  );
  return await work({ bot: grid.owner, client, wallet: new Wallet(rail) });
}

/** @throws GRID_CURRENCY_UNKNOWN */
export async function currencyOf(client: BcdbClient, code: string): Promise<Currency> {
  try {
    const { value } = await client.get('wallet', 'grid.currency.1', code);
    return value as Currency;
  } catch (cause) {
    if (!isGridError(cause, 'BCDB_NOT_FOUND')) throw cause;
    throw new GridError<GridErrorCode>('GRID_CURRENCY_UNKNOWN', `no currency is called ${code}`, {
      hint: 'see which there are: grid wallet currency list',
      details: { code },
      cause,
    });
  }
}

/** An account by its id, or that of a bot by its name. @throws GRID_BOT_UNKNOWN */
export async function accountOf(client: BcdbClient, text: string): Promise<AccountId> {
  if (isAccount.test(text)) return text as AccountId;
  const where = { field: 'name', op: 'eq', value: text } as const;
  const { objects } = await client.find('grid', { url: 'grid.bot.1', where, limit: 1 });
  const [found] = objects;
  if (found !== undefined) return found.obj as BotId;
  throw new GridError<GridErrorCode>('GRID_BOT_UNKNOWN', `no bot is called ${text}`, {
    hint: 'give the name of a bot, or an id: bot:… or account:…',
    details: { name: text },
  });
}

const isAccount = new RegExp(`^(?:${idPatterns.bot}|${idPatterns.account})$`);
