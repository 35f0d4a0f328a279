import { readDirectory } from '@commongrid/contract';
import type { Directory, DirectoryNode } from '@commongrid/contract';
import { GridError } from '@commongrid/base';
import type { BcdbClient } from '@commongrid/bcdb/client';
import { idPatterns, monthlyPrice } from '@commongrid/model';
import type { Amount, BotId } from '@commongrid/model';
import { parseAmount } from '@commongrid/wallet';
import type { Command } from 'commander';
import { InvalidArgumentError } from 'commander';

import { printResult } from '../../command-context.ts';
import type { CommandContext } from '../../command-context.ts';
import type { GridErrorCode } from '../../errors.ts';
import { connect, serverCommand } from '../bcdb/connection.ts';
import type { ServerOptions } from '../bcdb/connection.ts';
import { formatTime } from '../bcdb/options.ts';
import { currencyOf } from '../wallet/own-wallet.ts';
import { atMarket } from './by-bot.ts';
import type { ShownQuote } from './by-bot.ts';
import { MoneyText } from './money-text.ts';
import { resourcesOf, withSize } from './wanted-size.ts';
import type { SizeOptions } from './wanted-size.ts';

type QuoteOptions = ServerOptions &
  SizeOptions & {
    readonly bot?: string;
    readonly contract: string;
    readonly role: string;
    readonly replica: number;
    readonly days: number;
    readonly currency?: string;
  };

/** What a quote is for that nobody is to take. */
const noContract = `contract:${'A'.repeat(43)}`;

const dayMs = 86_400_000;

export function marketQuoteCommand(context: CommandContext): Command {
  const command = serverCommand('quote', 'Let a bot ask the farmer of a node what it costs there.');
  return withSize(command)
    .argument('<node>', 'by name or id')
    .option(
      '--contract <id>',
      'that it is for; without it the quote cannot be taken',
      parseContract,
      noContract,
    )
    .option('--role <name>', 'of the contract', 'any')
    .option('--replica <n>', 'of the role', parseWhole, 0)
    .option('--days <n>', 'how long it is wanted', parseWhole, 30)
    .option('--currency <code>', 'default: that of the farm')
    .action(async (name: string, options: QuoteOptions) => {
      const bot = requireBot(options.bot);
      const { client } = await connect(context, options);
      const { node, farmer, currency } = sellerOf(await readDirectory(client, Date.now()), name);
      const intent = {
        ...{ contract: options.contract, currency: options.currency ?? currency },
        untilMs: Date.now() + options.days * dayMs,
        slots: [
          {
            ...{ role: options.role, replica: options.replica, node: node.id },
            resources: resourcesOf(options),
          },
        ],
      };
      const quote = await atMarket<ShownQuote>(context, bot, 'ask', { farmer, intent });
      await printQuote(context, options, client, quote);
    });
}

export function marketCounterCommand(context: CommandContext): Command {
  return serverCommand('counter', 'Let a bot offer another price for a quote of one slot.')
    .argument('<quote>', 'its id')
    .argument('<amount>', 'for a month, such as 12.50')
    .argument('<currency>', 'that of the quote')
    .action(async (id: string, text: string, currency: string, options: ServerOptions) => {
      const bot = requireBot(options.bot);
      const { client } = await connect(context, options);
      const { decimals } = await currencyOf(client, currency);
      const amounts = [String(parseAmount(text, decimals) / monthHours)];
      const input = { quote: id, amounts };
      const quote = await atMarket<ShownQuote>(context, bot, 'bargain', input);
      await printQuote(context, options, client, quote);
    });
}

export function marketTakeCommand(context: CommandContext): Command {
  return serverCommand('take', 'Let a bot take a quote; its locks wait for their money.')
    .argument('<quote>', 'its id')
    .action(async (id: string, options: ServerOptions) => {
      const bot = requireBot(options.bot);
      const locks = await atMarket<readonly { readonly id: string; readonly expiresMs: number }[]>(
        ...([context, bot, 'take', { quote: id }] as const),
      );
      const result = { schema: 'grid.market.take.1', locks };
      printResult(context, options, result, () =>
        locks
          .flatMap((lock) => [
            `${lock.id} waits for money until ${formatTime(lock.expiresMs)}`,
            `next: ./grid wallet fund ${lock.id} --bot ${bot}`,
          ])
          .join('\n'),
      );
    });
}

/** Hours of the month of a budget. */
const monthHours = 720n;

async function printQuote(
  context: CommandContext,
  options: ServerOptions,
  client: BcdbClient,
  quote: ShownQuote,
): Promise<void> {
  const money = await MoneyText.of(client, [quote.currency]);
  const perMonth = quote.slots.reduce((sum, slot) => sum + monthOf(quote, slot.amount), 0n);
  const fund = quote.slots.reduce((sum, { minFund }) => sum + BigInt(minFund), 0n);
  const result = { schema: 'grid.market.quote.1', ...quote, perMonth: String(perMonth) };
  printResult(context, options, result, () =>
    [
      `quote ${quote.id}: ${money.show(perMonth, quote.currency)} a month`,
      `  at least ${money.show(fund, quote.currency)} is put aside for it`,
      `  ${quote.disputeMs / 3_600_000} hours to object; without an agreement the farmer ${quote.onDispute === 'pay' ? 'is paid' : 'gives it back'}`,
      `  holds until ${formatTime(quote.expiresMs)}${quote.isFinal ? '; no counter makes it cheaper' : ''}`,
    ].join('\n'),
  );
}

function monthOf({ currency, perSeconds }: ShownQuote, amount: string): bigint {
  return monthlyPrice({ price: { amount: amount as Amount, currency, perSeconds } });
}

interface Seller {
  readonly node: DirectoryNode;
  readonly farmer: BotId;
  readonly currency: string;
}

/** @throws GRID_NODE_UNKNOWN, GRID_NAME_AMBIGUOUS */
function sellerOf({ nodes, farms }: Directory, name: string): Seller {
  const called = nodes.filter((one) => one.id === name || one.name === name);
  const [node] = called;
  if (called.length > 1) {
    throw new GridError<GridErrorCode>('GRID_NAME_AMBIGUOUS', `several nodes are called ${name}`, {
      hint: 'give the id: grid market search --json',
      details: { nodes: called.map(({ id }) => id) },
    });
  }
  const farm = node && farms.get(node.farm);
  if (node !== undefined && farm !== undefined) {
    return { node, farmer: farm.owner, currency: farm.prices.currency };
  }
  throw new GridError<GridErrorCode>('GRID_NODE_UNKNOWN', `no node of a farm is called ${name}`, {
    hint: 'see which have room: grid market search',
    details: { name },
  });
}

function requireBot(bot: string | undefined): string {
  if (bot !== undefined) return bot;
  throw new GridError<GridErrorCode>('GRID_USAGE', 'say which bot of this machine asks', {
    hint: 'add --bot NAME; it has to run: grid bot start NAME',
  });
}

function parseContract(text: string): string {
  if (new RegExp(`^${idPatterns.contract}$`).test(text)) return text;
  throw new InvalidArgumentError('give the id of a contract: contract:…');
}

function parseWhole(text: string): number {
  if (/^\d{1,5}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('give a whole number');
}
