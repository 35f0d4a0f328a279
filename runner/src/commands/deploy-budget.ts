import type { BcdbClient } from '@commongrid/bcdb/client';
import { GridError, isGridError } from '@commongrid/base';
import type { Currency } from '@commongrid/model';
import { parseAmount } from '@commongrid/wallet';
import type { Command } from 'commander';

import { isRunning } from '../bot-service/bots-here.ts';
import type { GridErrorCode } from '../errors.ts';
import type { BotFolder } from './bot/bot-folder.ts';
import { currencyOf } from './wallet/own-wallet.ts';

/** What places of others may cost, by the words of a command. */
export interface BudgetOptions {
  readonly budget?: string;
  readonly currency?: string;
}

/** What is deployed, as far as its budget goes. */
interface Budgeted {
  readonly days?: number;
  readonly budget?: { readonly currency: string };
}

/** Days of a deployment that says none, and those that a budget is for. */
const [daysDefault, monthDays] = [365, 30];
/** Currencies of which one may be meant. */
const currenciesMax = 20;

export function withBudgetOptions(command: Command): Command {
  return command
    .option('--budget <amount>', 'rent places of others for that in 30 days at most, such as 12.50')
    .option('--currency <code>', 'of the budget; default: the only one of the log');
}

/**
 * The deployment with the budget that the command says, for each 30 days of its term.
 * @throws GRID_USAGE, GRID_CURRENCY_UNKNOWN, WALLET_AMOUNT_INVALID
 */
export async function withBudget<Deployed extends Budgeted>(
  client: BcdbClient,
  file: Deployed,
  { budget, currency }: BudgetOptions,
): Promise<Deployed> {
  if (budget === undefined) {
    if (currency === undefined) return file;
    throw usage('a currency is that of a budget', 'add --budget AMOUNT');
  }
  const code = currency ?? file.budget?.currency;
  const { code: known, decimals } =
    code === undefined ? await onlyCurrency(client) : await currencyOf(client, code);
  const perMonth = parseAmount(budget, decimals);
  const months = BigInt(Math.ceil((file.days ?? daysDefault) / monthDays));
  const total = String(perMonth * months);
  return { ...file, budget: { currency: known, perMonth: String(perMonth), total } };
}

/**
 * That somebody rents what a deployment with a budget needs of others: only a bot that runs asks farmers.
 * @throws GRID_BOT_STOPPED
 */
export async function requireRenter(
  { budget }: Budgeted,
  bot: BotFolder | undefined,
): Promise<void> {
  if (budget === undefined || (bot !== undefined && (await isRunning(bot)))) return;
  const name = bot === undefined ? undefined : (await bot.config()).name;
  const message = 'places of others are rented by your bot, and it does not run on this machine';
  throw new GridError<GridErrorCode>('GRID_BOT_STOPPED', message, {
    hint:
      name === undefined
        ? 'make one: grid bot init NAME, grid bot start NAME; then deploy with --bot NAME'
        : `grid bot start ${name}, or for that of \`grid up\`: grid up`,
  });
}

/** What to do where nothing fits on the own machines and no budget was said: the same error, with that. */
export function namingBudget(
  error: unknown,
  { budget }: Budgeted,
  { path, bot }: { readonly path: string; readonly bot: string | undefined },
): unknown {
  if (budget !== undefined || !isGridError(error, 'GRID_DEPLOY_BLOCKED')) return error;
  const { blocked } = error.details;
  const isFull = Array.isArray(blocked) && blocked.includes('HEAL_NOTHING_FITS');
  if (!isFull) return error;
  const contract = String(error.details['contract']);
  const as = bot === undefined ? '' : ` --bot ${bot}`;
  return new GridError<GridErrorCode>('GRID_DEPLOY_BLOCKED', error.message, {
    hint: `to rent places of others: grid rm ${contract}${as}, then grid deploy ${path} --budget AMOUNT${as}`,
    details: error.details,
    cause: error,
  });
}

async function onlyCurrency(client: BcdbClient): Promise<Currency> {
  const page = await client.find('wallet', { url: 'grid.currency.1', limit: currenciesMax });
  const [first, ...others] = page.objects.map(({ value }) => value as Currency);
  if (first !== undefined && others.length === 0) return first;
  const codes = [first, ...others].flatMap((one) => one?.code ?? []).join(', ');
  throw usage(
    'say in which currency',
    `add --currency, ${codes === '' ? 'of which there is none yet' : `one of ${codes}`}`,
  );
}

function usage(message: string, hint: string): GridError<GridErrorCode> {
  return new GridError('GRID_USAGE', message, { hint });
}
