import type { Command } from 'commander';

import { printResult } from '../../command-context.ts';
import type { CommandContext } from '../../command-context.ts';
import { askBot } from './ask-bot.ts';
import { botFolderOf, botSubcommand } from './bot-options.ts';
import type { BotOptions } from './bot-options.ts';

export function botReleaseBrakeCommand(context: CommandContext): Command {
  return botSubcommand(
    'release-brake',
    'Let a bot place anew what vanished, though many nodes are away.',
  ).action(async (name: string, options: BotOptions) => {
    const folder = botFolderOf(context, name, options);
    const answer = await askBot(folder, 'contracts.releaseBrake', {});
    const { wasOn } = answer as { readonly wasOn: boolean };
    const result = { schema: 'grid.bot.release-brake.1', name, wasOn };
    printResult(context, options, result, () => {
      return wasOn ? `${name} places anew what is lost` : 'nothing was held up by that';
    });
  });
}
