import type { Amount, ContractId, LockId } from '@commongrid/model';
import { parseAmount } from '@commongrid/wallet';
import type { Command } from 'commander';
import { InvalidArgumentError } from 'commander';

import { printResult } from '../../command-context.ts';
import type { CommandContext } from '../../command-context.ts';
import { serverCommand } from '../bcdb/connection.ts';
import type { ServerOptions } from '../bcdb/connection.ts';
import { parseCount } from '../bcdb/options.ts';
import { placedText, placeOrder, termsOf, withOrder } from './orders.ts';
import type { OrderOptions } from './orders.ts';
import { currencyOf, withWallet } from './own-wallet.ts';
import { idParser, parseTime } from './wallet-options.ts';

type FundOptions = ServerOptions & OrderOptions;
type AllowanceOptions = FundOptions & { readonly days: number };
type ObjectOptions = ServerOptions & {
  readonly since: number;
  readonly until: number;
  readonly reason?: string;
};

/** An allowance ends after so many days unless somebody says otherwise. */
const allowanceDays = 365;
const dayMs = 86_400_000;

export function walletFundCommand(context: CommandContext): Command {
  const command = serverCommand(
    'fund',
    'Put money aside for a lock that a farmer made for a contract of yours.',
  )
    .argument('<lock>', 'its id', idParser('lock'))
    .argument('[amount]', 'default: the least that the lock asks for')
    .argument('[currency]', 'with the amount');
  return withOrder(command).action(async (lock, text, currency, options: FundOptions) => {
    const order = await withWallet(context, options, async (own) => {
      const isGiven = typeof text === 'string' && typeof currency === 'string';
      const amount = isGiven
        ? { amount: parseAmount(text, (await currencyOf(own.client, currency)).decimals) }
        : {};
      const escrow = { lock: lock as LockId, ...amount, ...termsOf(options) };
      return placeOrder(own, await own.wallet.prepareEscrow(escrow), options);
    });
    const result = { schema: 'grid.wallet.fund.1', lock: String(lock), order };
    printResult(context, options, result, () => placedText(order, `${String(lock)} is funded`));
  });
}

export function walletAllowanceCommand(context: CommandContext): Command {
  const command = serverCommand(
    'allowance',
    'Let the controllers of a contract of yours pay for places while they heal it.',
  )
    .argument('<contract>', 'its id', idParser('contract'))
    .argument('<amount>', 'most that they spend in 30 days; 0: nothing any more')
    .argument('<currency>', 'three letters, such as TFT')
    .option('--days <n>', 'how long', parseCount, allowanceDays);
  return withOrder(command).action(
    async (contract: string, text: string, currency: string, options: AllowanceOptions) => {
      const placed = await withWallet(context, options, async (own) => {
        const { decimals } = await currencyOf(own.client, currency);
        const { from = own.bot } = termsOf(options);
        const value = {
          ...{ contract: contract as ContractId, from, currency },
          perMonth: String(parseAmount(text, decimals)) as Amount,
          expMs: (await own.wallet.logTime()) + options.days * dayMs,
        };
        const file = await placeOrder(own, { url: 'grid.allowance.1', value }, options);
        return { order: file, ...value };
      });
      const result = { schema: 'grid.wallet.allowance.1', ...placed };
      printResult(context, options, result, ({ order }) =>
        placedText(order, `${text} ${currency} in 30 days for ${contract}`),
      );
    },
  );
}

export function walletObjectCommand(context: CommandContext): Command {
  return serverCommand('object', 'Object to paying for some time of a lock.')
    .argument('<lock>', 'its id', idParser('lock'))
    .requiredOption('--since <time>', 'such as 2026-03-01T10:00:00Z', parseTime)
    .requiredOption('--until <time>', 'its end', parseTime)
    .option('--reason <text>', 'anybody who may read the log sees it')
    .action(async (lock: string, { since, until, reason, ...options }: ObjectOptions) => {
      const id = await withWallet(context, options, ({ wallet }) =>
        wallet.object({
          ...{ lock: lock as LockId, fromMs: since, toMs: until },
          ...(reason === undefined ? {} : { reason }),
        }),
      );
      const result = { schema: 'grid.wallet.object.1', lock, objection: id };
      printResult(context, options, result, () => {
        return `${id}\nwho decides, by pay or refund: grid wallet decide ${lock} ${id} pay`;
      });
    });
}

export function walletDecideCommand(context: CommandContext): Command {
  return serverCommand('decide', 'Say whether time that somebody objected to is paid.')
    .argument('<lock>', 'its id', idParser('lock'))
    .argument('<objection>', 'its id')
    .argument('<word>', 'pay or refund', parseWord)
    .action(async (lock, id, says, options: ServerOptions) => {
      await withWallet(context, options, ({ wallet }) =>
        wallet.decide({ lock: lock as LockId, id: String(id), says: says as 'pay' | 'refund' }),
      );
      const result = { schema: 'grid.wallet.decide.1', lock: String(lock), says: String(says) };
      printResult(context, options, result, () => 'said; two who say the same decide');
    });
}

export function walletGiveBackCommand(context: CommandContext): Command {
  return serverCommand(
    'give-back',
    'As a farmer: give back what a lock has not earned, and end it.',
  )
    .argument('<lock>', 'its id', idParser('lock'))
    .action(async (lock: string, options: ServerOptions) => {
      await withWallet(context, options, ({ wallet }) => wallet.giveBack(lock as LockId));
      const result = { schema: 'grid.wallet.give-back.1', lock };
      printResult(context, options, result, () => `${lock}: what was not earned is given back`);
    });
}

function parseWord(text: string): 'pay' | 'refund' {
  if (text === 'pay' || text === 'refund') return text;
  throw new InvalidArgumentError('say pay or refund');
}
