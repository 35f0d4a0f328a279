import { GridError, isGridError } from '@commongrid/base';
import type { BcdbClient } from '@commongrid/bcdb/client';
import { idPatterns } from '@commongrid/model';
import type { AccountId, BotId, Currency } from '@commongrid/model';
import { formatAmount, LogRail, Wallet } from '@commongrid/wallet';
import type { Balance } from '@commongrid/wallet';

import type { CommandContext } from '../../command-context.ts';
import type { GridErrorCode } from '../../errors.ts';
import type { ServerOptions } from '../bcdb/connection.ts';
import { withOwnFeed } from '../own-feed.ts';
import { isAccountId } from './wallet-options.ts';

/** The wallet of the bot that a command acts for. */
export interface OwnWallet {
  readonly bot: BotId;
  /** Hash of the genesis of its log. */
  readonly log: string;
  readonly client: BcdbClient;
  readonly wallet: Wallet;
}

/** Does something with the wallet of the bot. */
export function withWallet<T>(
  context: CommandContext,
  options: ServerOptions,
  work: (own: OwnWallet) => Promise<T>,
): Promise<T> {
  return withOwnFeed(context, options, async (feed) => {
    const { bot, client } = feed;
    await using rail = await LogRail.open(feed);
    return await work({ bot, client, log: rail.log, wallet: new Wallet(rail) });
  });
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

/** Balances as people read them, too. */
export function shownBalances(client: BcdbClient, balances: readonly Balance[]) {
  return Promise.all(
    balances.map(async ({ currency, amount }) => {
      const { decimals } = await currencyOf(client, currency);
      return { currency, amount: String(amount), shown: formatAmount(amount, decimals) };
    }),
  );
}

/** An account by its id, or that of a bot by its name. @throws GRID_BOT_UNKNOWN */
export async function accountOf(client: BcdbClient, text: string): Promise<AccountId> {
  return isAccountId(text) ? (text as AccountId) : botCalled(client, text);
}

/** A bot by its id or name. @throws GRID_BOT_UNKNOWN */
export async function botCalled(client: BcdbClient, text: string): Promise<BotId> {
  if (isBot.test(text)) return text as BotId;
  const where = { field: 'name', op: 'eq', value: text } as const;
  const { objects } = await client.find('grid', { url: 'grid.bot.1', where, limit: 1 });
  const [found] = objects;
  if (found !== undefined) return found.obj as BotId;
  throw new GridError<GridErrorCode>('GRID_BOT_UNKNOWN', `no bot is called ${text}`, {
    hint: 'give the name of a bot, or an id: bot:… or account:…',
    details: { name: text },
  });
}

export function accountUnknown(account: string): GridError<GridErrorCode> {
  return new GridError('GRID_ACCOUNT_UNKNOWN', `the bot has no part in ${account}`, {
    hint: 'see which there are: grid wallet account list',
    details: { account },
  });
}

const isBot = new RegExp(`^${idPatterns.bot}$`);
