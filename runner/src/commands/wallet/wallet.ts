import { Command } from 'commander';

import type { CommandContext } from '../../command-context.ts';
import { walletCurrencyCommand } from './currency.ts';
import {
  walletBalanceCommand,
  walletFundCommand,
  walletSendCommand,
  walletSettleCommand,
  walletStatementCommand,
} from './money.ts';

export function walletCommand(context: CommandContext): Command {
  return new Command('wallet')
    .description('Money of a bot: in the ledger of the log, whole units, every coin accounted for.')
    .addCommand(walletBalanceCommand(context))
    .addCommand(walletSendCommand(context))
    .addCommand(walletFundCommand(context))
    .addCommand(walletSettleCommand(context))
    .addCommand(walletStatementCommand(context))
    .addCommand(walletCurrencyCommand(context));
}
