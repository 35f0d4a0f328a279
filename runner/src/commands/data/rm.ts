import type { Command } from 'commander';

import { printResult } from '../../command-context.ts';
import type { CommandContext } from '../../command-context.ts';
import { askBot } from '../bot/ask-bot.ts';
import { dataBot, dataSubcommand } from './data-bot.ts';
import type { DataOptions } from './data-bot.ts';
import { fullAddress } from './full-address.ts';

type RmOptions = DataOptions & { readonly erase?: true };

export function dataRmCommand(context: CommandContext): Command {
  return dataSubcommand(
    'rm',
    'Remove a record or a file of this bot, or of another that allows it.',
  )
    .argument('<address>', 'grid://BOT/COLLECTION/ID or grid://BOT/files/KEY')
    .option('--erase', 'of a record: also all that it ever was')
    .action(async (given: string, options: RmOptions) => {
      const bot = await dataBot(context, options);
      const { address } = await fullAddress(bot, given);
      await askBot(bot, 'data.discard', { address, erase: options.erase === true });
      const result = { schema: 'grid.data.rm.1', address };
      printResult(context, options, result, () => `${address} is removed`);
    });
}
