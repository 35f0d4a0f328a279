import { Command } from 'commander';

import type { CommandContext } from '../../command-context.ts';
import { marketCounterCommand, marketQuoteCommand, marketTakeCommand } from './quote.ts';
import { marketSearchCommand } from './search.ts';
import { marketRulesCommand, marketTranscriptsCommand } from './transcripts.ts';

export function marketCommand(context: CommandContext): Command {
  return new Command('market')
    .description('Capacity of others: what there is, what it costs, what was agreed.')
    .addCommand(marketSearchCommand(context))
    .addCommand(marketQuoteCommand(context))
    .addCommand(marketCounterCommand(context))
    .addCommand(marketTakeCommand(context))
    .addCommand(marketTranscriptsCommand(context))
    .addCommand(marketRulesCommand(context));
}
