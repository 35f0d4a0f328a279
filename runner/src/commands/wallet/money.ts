import { randomUUID } from 'node:crypto';

import { idPatterns } from '@commongrid/model';
import type { LockId } from '@commongrid/model';
import { formatAmount, parseAmount, statementCsv } from '@commongrid/wallet';
import type { Command } from 'commander';
import { InvalidArgumentError } from 'commander';

import { printResult } from '../../command-context.ts';
import type { CommandContext } from '../../command-context.ts';
import { formatTable } from '../../terminal.ts';
import { serverCommand } from '../bcdb/connection.ts';
import type { ServerOptions } from '../bcdb/connection.ts';
import { formatTime } from '../bcdb/options.ts';
import { accountOf, currencyOf, withWallet } from './own-wallet.ts';

type SendOptions = ServerOptions & { readonly memo?: string; readonly key?: string };
type StatementOptions = ServerOptions & { readonly csv?: true };

export function walletBalanceCommand(context: CommandContext): Command {
  return serverCommand('balance', 'Show what the bot has, as it verified itself.').action(
    async (options: ServerOptions) => {
      const balances = await withWallet(context, options, async ({ wallet, client }) => {
        const all = await wallet.balances();
        return Promise.all(
          all.map(async ({ currency, amount }) => {
            const { decimals } = await currencyOf(client, currency);
            return { currency, amount: String(amount), shown: formatAmount(amount, decimals) };
          }),
        );
      });
      const result = { schema: 'grid.wallet.balance.1', balances };
      printResult(context, options, result, () => {
        const rows = balances.map(({ currency, shown }) => [shown, currency]);
        return rows.length === 0 ? 'nothing yet' : formatTable(rows).trimEnd();
      });
    },
  );
}

export function walletSendCommand(context: CommandContext): Command {
  return serverCommand('send', 'Pay somebody.')
    .argument('<to>', 'name of a bot, or an id: bot:… or account:…')
    .argument('<amount>', 'such as 12.50')
    .argument('<currency>', 'three letters, such as TFT')
    .option('--memo <text>', 'what it is for: anybody who may read the log sees it')
    .option('--key <text>', 'names the order: given again with the same key, it pays once')
    .action(async (name: string, text: string, currency: string, options: SendOptions) => {
      const { memo, key = randomUUID() } = options;
      const paid = await withWallet(context, options, async ({ wallet, client }) => {
        const { decimals } = await currencyOf(client, currency);
        const to = await accountOf(client, name);
        const amount = parseAmount(text, decimals);
        const order = { key, to, amount, currency, ...(memo === undefined ? {} : { memo }) };
        return { transfer: await wallet.transfer(order), to, amount: String(amount), currency };
      });
      const result = { schema: 'grid.wallet.send.1', ...paid, key };
      printResult(
        context,
        options,
        result,
        () => `${text} ${currency} to ${name}: ${paid.transfer}`,
      );
    });
}

export function walletFundCommand(context: CommandContext): Command {
  return serverCommand(
    'fund',
    'Put money aside for a lock that a farmer made for a contract of yours.',
  )
    .argument('<lock>', 'its id', parseLock)
    .argument('[amount]', 'default: the least that the lock asks for')
    .argument('[currency]', 'with the amount')
    .action(async (lock, text, currency, options: ServerOptions) => {
      await withWallet(context, options, async ({ wallet, client }) => {
        const isGiven = typeof text === 'string' && typeof currency === 'string';
        const amount = isGiven
          ? { amount: parseAmount(text, (await currencyOf(client, currency)).decimals) }
          : {};
        await wallet.fund({ lock: lock as LockId, ...amount });
      });
      const result = { schema: 'grid.wallet.fund.1', lock: String(lock) };
      printResult(context, options, result, () => `${String(lock)} is funded`);
    });
}

export function walletSettleCommand(context: CommandContext): Command {
  return serverCommand('settle', 'Ask for pay and refunds that are due by now.').action(
    async (options: ServerOptions) => {
      const done = await withWallet(context, options, ({ wallet }) => wallet.settle());
      const result = { schema: 'grid.wallet.settle.1', done };
      printResult(context, options, result, () => {
        const rows = done.map(({ is, lock }) => [is, lock]);
        return rows.length === 0 ? 'nothing is due' : formatTable(rows).trimEnd();
      });
    },
  );
}

export function walletStatementCommand(context: CommandContext): Command {
  return serverCommand('statement', 'List everything that moved money of the bot.')
    .option('--csv', 'as CSV, amounts in the smallest unit')
    .action(async (options: StatementOptions) => {
      const lines = await withWallet(context, options, ({ wallet }) => wallet.statement());
      if (options.csv === true && options.json !== true) {
        context.terminal.print(statementCsv(lines).trimEnd());
        return;
      }
      const result = { schema: 'grid.wallet.statement.1', lines };
      printResult(context, options, result, () => {
        const rows = lines.map(({ at, kind, currency, amount, balance, memo }) => {
          return [formatTime(at), kind, amount, currency, balance, memo];
        });
        return rows.length === 0 ? 'nothing moved yet' : formatTable(rows).trimEnd();
      });
    });
}

const isLock = new RegExp(`^${idPatterns.lock}$`);

function parseLock(text: string): string {
  if (isLock.test(text)) return text;
  throw new InvalidArgumentError('give the id of a lock: lock:…');
}
