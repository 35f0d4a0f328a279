import { randomBytes } from 'node:crypto';

import { GridError } from '@commongrid/base';
import type { BcdbClient } from '@commongrid/bcdb/client';
import type { BotId, RecordOf, SharedAccountId } from '@commongrid/model';
import { Command } from 'commander';

import { printResult } from '../../command-context.ts';
import type { CommandContext } from '../../command-context.ts';
import type { GridErrorCode } from '../../errors.ts';
import { formatTable, plainText } from '../../terminal.ts';
import { serverCommand } from '../bcdb/connection.ts';
import type { ServerOptions } from '../bcdb/connection.ts';
import { parseCount } from '../bcdb/options.ts';
import { placedText, placeOrder, withOrderFile } from './orders.ts';
import type { OrderOptions } from './orders.ts';
import { accountUnknown, botCalled, shownBalances, withWallet } from './own-wallet.ts';
import { idParser } from './wallet-options.ts';

type Account = RecordOf<'grid.account.1'>;
type ChangeOptions = ServerOptions &
  Pick<OrderOptions, 'order'> & {
    readonly add?: readonly string[];
    readonly remove?: readonly string[];
    readonly min?: number;
    readonly name?: string;
  };
type MakeOptions = ServerOptions & { readonly signer: readonly string[]; readonly min?: number };

export function walletAccountCommand(context: CommandContext): Command {
  return new Command('account')
    .description('Shared accounts: whatever is done with one takes several of its signers.')
    .addCommand(makeCommand(context))
    .addCommand(changeCommand(context))
    .addCommand(showCommand(context))
    .addCommand(listCommand(context));
}

function makeCommand(context: CommandContext): Command {
  return serverCommand('make', 'Make an account that you share with others.')
    .argument('<name>', 'what people call it')
    .requiredOption('--signer <bot...>', 'the others: names or ids')
    .option('--min <n>', 'so many sign; default: all of them', parseCount)
    .action(async (name: string, options: MakeOptions) => {
      const account = await withWallet(context, options, async ({ bot, client, wallet }) => {
        const others = await Promise.all(options.signer.map((one) => botCalled(client, one)));
        const signers = [...new Set<BotId>([bot, ...others])].toSorted();
        const id = `account:${randomBytes(16).toString('base64url')}` as SharedAccountId;
        const value: Account = {
          ...{ id, name, revision: 1, signers },
          min: options.min ?? signers.length,
        };
        await wallet.submit({ url: 'grid.account.1', value });
        return value;
      });
      const result = { schema: 'grid.wallet.account.1', ...account };
      printResult(context, options, result, ({ id, min, signers }) => {
        return `${name} is ${id}: ${min} of ${signers.length} sign`;
      });
    });
}

function changeCommand(context: CommandContext): Command {
  const command = serverCommand('change', 'Change who signs for a shared account, or how many.')
    .argument('<account>', 'its id', idParser('account'))
    .option('--add <bot...>', 'further signers: names or ids')
    .option('--remove <bot...>', 'signers that leave')
    .option('--min <n>', 'so many sign from then on; default: as many as now', parseCount)
    .option('--name <text>', 'what people call it');
  return withOrderFile(command)
    .addHelpText(
      'after',
      '\nAs many of the present signers have to agree as the account asks for now.',
    )
    .action(async (id: string, options: ChangeOptions) => {
      const { value, order } = await withWallet(context, options, async (own) => {
        const account = await own.wallet.account(id as SharedAccountId);
        if (account === undefined) throw accountUnknown(id);
        const changed = await changedBy(own.client, account, options);
        const file = await placeOrder(own, { url: 'grid.account.1', value: changed }, options);
        return { value: changed, order: file };
      });
      const result = { schema: 'grid.wallet.account.change.1', ...value, order };
      printResult(context, options, result, ({ name, min, signers, revision }) =>
        placedText(
          order,
          `${plainText(name)}, revision ${revision}: ${min} of ${signers.length} sign`,
        ),
      );
    });
}

/** @throws GRID_BOT_UNKNOWN, GRID_USAGE */
async function changedBy(
  client: BcdbClient,
  account: Account,
  { add = [], remove = [], min = account.min, name = account.name }: ChangeOptions,
): Promise<Account> {
  const bots = (texts: readonly string[]): Promise<readonly BotId[]> =>
    Promise.all(texts.map((one) => botCalled(client, one)));
  const left = new Set(await bots(remove));
  const all = new Set<BotId>([...account.signers, ...(await bots(add))]);
  const signers = [...all].filter((one) => !left.has(one)).toSorted();
  if (min <= signers.length) {
    return { ...account, name, signers, min, revision: account.revision + 1 };
  }
  throw new GridError<GridErrorCode>('GRID_USAGE', `${signers.length} are too few for ${min}`, {
    hint: 'add signers, or ask for fewer with --min',
  });
}

function showCommand(context: CommandContext): Command {
  return serverCommand('show', 'Show who signs for a shared account, and what it has.')
    .argument('<account>', 'its id', idParser('account'))
    .action(async (id: string, options: ServerOptions) => {
      const result = await withWallet(context, options, async ({ wallet, client }) => {
        const account = await wallet.account(id as SharedAccountId);
        if (account === undefined) throw accountUnknown(id);
        const balances = await shownBalances(client, await wallet.balances(account.id));
        return { schema: 'grid.wallet.account.show.1', ...account, balances };
      });
      printResult(context, options, result, ({ name, min, signers, revision, balances }) => {
        const money = balances.map(({ currency, shown }) => [shown, currency]);
        return [
          `${plainText(name)}, revision ${revision}: ${min} of ${signers.length} sign`,
          ...signers.map((bot) => `  ${bot}`),
          money.length === 0 ? 'nothing yet' : formatTable(money).trimEnd(),
        ].join('\n');
      });
    });
}

function listCommand(context: CommandContext): Command {
  return serverCommand('list', 'List the shared accounts that you have a part in.').action(
    async (options: ServerOptions) => {
      const accounts = await withWallet(context, options, ({ wallet }) => wallet.accounts());
      const result = { schema: 'grid.wallet.accounts.1', accounts };
      printResult(context, options, result, () => {
        const rows = accounts.map(({ id, name, min, signers }) => {
          return [name, `${min} of ${signers.length}`, id];
        });
        return rows.length === 0 ? 'no shared accounts' : formatTable(rows).trimEnd();
      });
    },
  );
}
