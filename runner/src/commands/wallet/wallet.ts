import { Command } from 'commander';

import type { CommandContext } from '../../command-context.ts';
import { walletAccountCommand } from './account.ts';
import { walletClaimCommand, walletPreimageCommand, walletTakeBackCommand } from './conditions.ts';
import { walletCurrencyCommand } from './currency.ts';
import {
  walletAllowanceCommand,
  walletDecideCommand,
  walletFundCommand,
  walletGiveBackCommand,
  walletObjectCommand,
} from './locks.ts';
import {
  walletBalanceCommand,
  walletSendCommand,
  walletSettleCommand,
  walletStatementCommand,
} from './money.ts';
import { walletConsentCommand, walletSubmitCommand } from './orders.ts';

export function walletCommand(context: CommandContext): Command {
  return new Command('wallet')
    .description('Money of a bot: in the ledger of the log, whole units, every coin accounted for.')
    .addCommand(walletBalanceCommand(context))
    .addCommand(walletSendCommand(context))
    .addCommand(walletFundCommand(context))
    .addCommand(walletGiveBackCommand(context))
    .addCommand(walletObjectCommand(context))
    .addCommand(walletDecideCommand(context))
    .addCommand(walletSettleCommand(context))
    .addCommand(walletStatementCommand(context))
    .addCommand(walletAllowanceCommand(context))
    .addCommand(walletAccountCommand(context))
    .addCommand(walletConsentCommand(context))
    .addCommand(walletSubmitCommand(context))
    .addCommand(walletPreimageCommand(context))
    .addCommand(walletClaimCommand(context))
    .addCommand(walletTakeBackCommand(context))
    .addCommand(walletCurrencyCommand(context));
}
