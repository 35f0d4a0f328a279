import type { Amount, Currency } from '@commongrid/model';
import { formatAmount, parseAmount } from '@commongrid/wallet';
import { Command, InvalidArgumentError } from 'commander';

import { printResult } from '../../command-context.ts';
import type { CommandContext } from '../../command-context.ts';
import { formatTable } from '../../terminal.ts';
import { connect, serverCommand } from '../bcdb/connection.ts';
import type { ServerOptions } from '../bcdb/connection.ts';
import { withWallet } from './own-wallet.ts';

type CreateOptions = ServerOptions & {
  readonly name?: string;
  readonly decimals: number;
  readonly max?: string;
};

/** Digits behind the point unless somebody says otherwise. */
const decimalsDefault = 2;
/** Currencies of one answer. */
const listMax = 1000;

export function walletCurrencyCommand(context: CommandContext): Command {
  return new Command('currency')
    .description('Currencies: who issues them, how fine they are, how much there can be.')
    .addCommand(createCommand(context))
    .addCommand(listCommand(context));
}

function createCommand(context: CommandContext): Command {
  return serverCommand('create', 'Make a currency; the first to take a code has it for good.')
    .argument('<code>', 'three letters, such as TFT', parseCode)
    .option('--name <text>', 'what people call it; default: the code')
    .option('--decimals <n>', 'digits behind the point, for good', parseDecimals, decimalsDefault)
    .option('--max <amount>', 'most that can ever be out; may be lowered, never raised')
    .action(async (code: string, options: CreateOptions) => {
      const { name = code, decimals, max } = options;
      const limit = max === undefined ? undefined : parseAmount(max, decimals);
      const currency = await withWallet(context, options, async ({ bot, wallet }) => {
        const value: Currency = {
          ...{ code, name, decimals, issuer: bot },
          ...(limit === undefined ? {} : { maxSupply: String(limit) as Amount }),
        };
        await wallet.issue(value);
        return value;
      });
      const result = { schema: 'grid.wallet.currency.1', ...currency };
      printResult(context, options, result, () => {
        return `${code} is yours: what you send of it is issued\nnext: ./grid wallet send BOT AMOUNT ${code}`;
      });
    });
}

function listCommand(context: CommandContext): Command {
  return serverCommand('list', 'List the currencies of the log.').action(
    async (options: ServerOptions) => {
      const { client } = await connect(context, options);
      const page = await client.find('wallet', { url: 'grid.currency.1', limit: listMax });
      const currencies = page.objects.map(({ value }) => value as Currency);
      const result = { schema: 'grid.wallet.currencies.1', currencies };
      printResult(context, options, result, () => {
        const rows = currencies.map(({ code, name, issuer, decimals, maxSupply }) => {
          const most =
            maxSupply === undefined ? 'no limit' : formatAmount(BigInt(maxSupply), decimals);
          return [code, name, most, issuer];
        });
        return rows.length === 0 ? 'no currencies' : formatTable(rows).trimEnd();
      });
    },
  );
}

function parseCode(text: string): string {
  if (/^[A-Z]{3}$/.test(text)) return text;
  throw new InvalidArgumentError('give three capital letters, such as TFT');
}

function parseDecimals(text: string): number {
  if (/^\d{1,2}$/.test(text) && Number(text) <= 18) return Number(text);
  throw new InvalidArgumentError('give a whole number from 0 to 18');
}
