import { readFile } from 'node:fs/promises';

import { errorCode, GridError } from '@commongrid/base';
import type { AccountId } from '@commongrid/model';
import { formatAmount, parseOrder } from '@commongrid/wallet';
import type { Order } from '@commongrid/wallet';
import type { Command } from 'commander';

import { printResult } from '../../command-context.ts';
import type { CommandContext } from '../../command-context.ts';
import { requireYes } from '../../confirm.ts';
import type { GridErrorCode } from '../../errors.ts';
import { writeNewSecret } from '../../key-file.ts';
import { plainText } from '../../terminal.ts';
import { serverCommand } from '../bcdb/connection.ts';
import type { ServerOptions } from '../bcdb/connection.ts';
import { formatTime, parseCount } from '../bcdb/options.ts';
import { currencyOf, withWallet } from './own-wallet.ts';
import type { OwnWallet } from './own-wallet.ts';
import { parseAccount } from './wallet-options.ts';

/** For whom an order is, and whether it waits for others. */
export interface OrderOptions {
  readonly from?: string;
  readonly order?: string;
  readonly hours?: number;
}

/** Time for other signers unless somebody says otherwise. */
const hoursDefault = 24;
const hourMs = 3_600_000;

/** Adds from whose account an order is, and the file in which others get it. */
export function withOrder(command: Command): Command {
  return withOrderFile(command)
    .option('--from <account>', 'account that pays; default: that of the bot', parseAccount)
    .option(
      '--hours <n>',
      `with --order: how long it is good; default: ${hoursDefault}`,
      parseCount,
    );
}

/** Adds the file in which others get an order. */
export function withOrderFile(command: Command): Command {
  return command.option(
    '--order <file>',
    'write it there, for other signers to agree; nothing is done yet',
  );
}

/** What `prepareTransfer` and the like take of these options. */
export function termsOf({ from, order, hours = hoursDefault }: OrderOptions) {
  return {
    ...(from === undefined ? {} : { from: from as AccountId }),
    ...(order === undefined ? {} : { validMs: hours * hourMs }),
  };
}

/** Says an order, or writes it where others agree to it first. Returns the file. */
export async function placeOrder(
  { wallet, log }: OwnWallet,
  order: Order,
  { order: file }: OrderOptions,
): Promise<string | null> {
  if (file === undefined) {
    await wallet.submit(order);
    return null;
  }
  await writeNewSecret(file, JSON.stringify({ schema, log, ...order }, undefined, 2));
  return file;
}

/** What people read when an order is placed. */
export function placedText(file: string | null, text: string): string {
  if (file === null) return text;
  return `${file} waits: ${text}\nthe others: grid wallet consent ${file}\nthen: grid wallet submit ${file}`;
}

export function walletConsentCommand(context: CommandContext): Command {
  return serverCommand('consent', 'Agree to an order of a shared account that you have a part in.')
    .argument('<file>', 'that was written with --order')
    .option('--yes', 'agree without asking')
    .action(async (file: string, options: ServerOptions & { readonly yes?: true }) => {
      const text = await withWallet(context, options, async (own) => {
        const order = await readOrder(file, own.log);
        const said = await describeOrder(own, order);
        await requireYes(context, options, {
          message: `${said}. Agree?`,
          refused: 'you did not agree',
          command: `grid wallet consent ${file} --yes`,
        });
        await own.wallet.consent(order);
        return said;
      });
      const result = { schema: 'grid.wallet.consent.1', file, order: text };
      printResult(context, options, result, () => `agreed: ${plainText(text)}`);
    });
}

export function walletSubmitCommand(context: CommandContext): Command {
  return serverCommand('submit', 'Say an order of a shared account once the others agreed to it.')
    .argument('<file>', 'that was written with --order')
    .action(async (file: string, options: ServerOptions) => {
      const text = await withWallet(context, options, async (own) => {
        const order = await readOrder(file, own.log);
        await own.wallet.submit(order);
        return describeOrder(own, order);
      });
      const result = { schema: 'grid.wallet.submit.1', file, order: text };
      printResult(context, options, result, () => `done: ${plainText(text)}`);
    });
}

const schema = 'grid.wallet.order.1';

/** @throws GRID_FILE_UNREADABLE, WALLET_ORDER_INVALID, MODEL_RECORD_INVALID */
async function readOrder(file: string, log: string): Promise<Order> {
  try {
    const text = await readFile(file, 'utf8');
    const { schema: is, log: its, ...order } = JSON.parse(text) as Record<string, unknown>;
    if (is !== schema) throw new TypeError('it is no order of a wallet');
    if (its !== log) throw new TypeError('it is of another log');
    return parseOrder(order);
  } catch (cause) {
    if (cause instanceof GridError) throw cause;
    const why = errorCode(cause) ?? (cause instanceof Error ? cause.message : String(cause));
    throw new GridError<GridErrorCode>('GRID_FILE_UNREADABLE', `cannot read ${file}: ${why}`, {
      hint: 'name a file that was written with --order',
      details: { file },
      cause,
    });
  }
}

async function describeOrder({ client }: OwnWallet, { url, value }: Order): Promise<string> {
  if (url === 'grid.account.1') {
    const { id, name, revision, signers, min } = value;
    return `${id} is ${name}, revision ${revision}: ${min} of ${signers.join(', ')}`;
  }
  const { decimals } = await currencyOf(client, value.currency);
  const shown = (amount: string): string =>
    `${formatAmount(BigInt(amount), decimals)} ${value.currency}`;
  const until = `good until ${formatTime(value.expMs)}`;
  if (url === 'grid.allowance.1') {
    const { contract, from, perMonth } = value;
    return `controllers of ${contract} spend ${shown(perMonth)} in 30 days from ${from}, ${until}`;
  }
  if (url === 'grid.escrow.1') {
    return `${shown(value.amount)} from ${value.from} aside for ${value.lock}, ${until}`;
  }
  const memo = value.memo === undefined ? '' : `, "${value.memo}"`;
  return `${shown(value.amount)} from ${value.from} to ${value.to}${memo}, ${until}`;
}
