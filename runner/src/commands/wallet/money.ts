import { randomUUID } from 'node:crypto';

import { GridError } from '@commongrid/base';
import type { AccountId, Hash, Transfer } from '@commongrid/model';
import { parseAmount, statementCsv } from '@commongrid/wallet';
import type { Command } from 'commander';

import { printResult } from '../../command-context.ts';
import type { CommandContext } from '../../command-context.ts';
import type { GridErrorCode } from '../../errors.ts';
import { formatTable } from '../../terminal.ts';
import { parseHash, serverCommand } from '../bcdb/connection.ts';
import type { ServerOptions } from '../bcdb/connection.ts';
import { formatTime } from '../bcdb/options.ts';
import { MoneyText } from '../market/money-text.ts';
import { placedText, placeOrder, termsOf, withOrder } from './orders.ts';
import type { OrderOptions } from './orders.ts';
import { accountOf, currencyOf, shownBalances, withWallet } from './own-wallet.ts';
import { parseAccount, parseTime } from './wallet-options.ts';

type AccountOptions = ServerOptions & { readonly account?: string };
type StatementOptions = AccountOptions & { readonly csv?: true };
type SendOptions = ServerOptions &
  OrderOptions & {
    readonly memo?: string;
    readonly key?: string;
    readonly hashLock?: string;
    readonly until?: number;
  };

export function walletBalanceCommand(context: CommandContext): Command {
  return withAccount(
    serverCommand('balance', 'Show what the bot has, as it verified itself.'),
  ).action(async (options: AccountOptions) => {
    const balances = await withWallet(context, options, async ({ wallet, client }) =>
      shownBalances(client, await wallet.balances(options.account as AccountId | undefined)),
    );
    const result = { schema: 'grid.wallet.balance.1', balances };
    printResult(context, options, result, () => {
      const rows = balances.map(({ currency, shown }) => [shown, currency]);
      return rows.length === 0 ? 'nothing yet' : formatTable(rows).trimEnd();
    });
  });
}

export function walletSendCommand(context: CommandContext): Command {
  const command = serverCommand('send', 'Pay somebody.')
    .argument('<to>', 'name of a bot, or an id: bot:… or account:…')
    .argument('<amount>', 'such as 12.50')
    .argument('<currency>', 'three letters, such as TFT')
    .option('--memo <text>', 'what it is for: anybody who may read the log sees it')
    .option('--key <text>', 'names the order: given again with the same key, it pays once')
    .option('--hash-lock <hash>', 'only to who shows what has this hash in time', parseHash)
    .option(
      '--until <time>',
      'with --hash-lock: until then; such as 2026-03-01T10:00:00Z',
      parseTime,
    );
  return withOrder(command).action(
    async (name: string, text: string, currency: string, options: SendOptions) => {
      const { memo, key = randomUUID() } = options;
      const condition = conditionOf(options);
      const paid = await withWallet(context, options, async (own) => {
        const { client, wallet } = own;
        const { decimals } = await currencyOf(client, currency);
        const to = await accountOf(client, name);
        const prepared = await wallet.prepareTransfer({
          ...{ key, to, amount: parseAmount(text, decimals), currency },
          ...(memo === undefined ? {} : { memo }),
          ...(condition === undefined ? {} : { condition }),
          ...termsOf(options),
        });
        const order = await placeOrder(own, prepared, options);
        const { id, amount } = prepared.value;
        return { transfer: id, to, amount, currency, order };
      });
      const result = { schema: 'grid.wallet.send.1', ...paid, key };
      printResult(context, options, result, ({ order, transfer }) =>
        placedText(order, `${text} ${currency} to ${name}: ${transfer}`),
      );
    },
  );
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
  return withAccount(serverCommand('statement', 'List everything that moved money of the bot.'))
    .option('--csv', 'as CSV; there, and with --json, amounts are in the smallest unit')
    .action(async (options: StatementOptions) => {
      const { lines, money } = await withWallet(context, options, async (own) => {
        const all = await own.wallet.statement(options.account as AccountId | undefined);
        const currencies = all.map(({ currency }) => currency);
        return { lines: all, money: await MoneyText.of(own.client, currencies) };
      });
      if (options.csv === true && options.json !== true) {
        context.terminal.print(statementCsv(lines).trimEnd());
        return;
      }
      const result = { schema: 'grid.wallet.statement.1', lines };
      printResult(context, options, result, () => {
        const rows = lines.map(({ at, kind, currency, amount, balance, memo }) => {
          const [moved, left] = [amount, balance].map((one) => money.show(BigInt(one), currency));
          return [formatTime(at), kind, moved ?? '', `${left} then`, memo];
        });
        return rows.length === 0 ? 'nothing moved yet' : formatTable(rows).trimEnd();
      });
    });
}

/** @throws GRID_USAGE */
function conditionOf({ hashLock, until }: SendOptions): Transfer['condition'] {
  if (hashLock === undefined && until === undefined) return undefined;
  if (hashLock !== undefined && until !== undefined) {
    return { hash: hashLock as Hash, untilMs: until };
  }
  throw new GridError<GridErrorCode>('GRID_USAGE', 'name --hash-lock and --until together');
}

function withAccount(command: Command): Command {
  return command.option(
    '--account <account>',
    'a shared one that the bot is a signer of',
    parseAccount,
  );
}
