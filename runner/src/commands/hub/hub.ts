import { Command } from 'commander';

import type { CommandContext } from '../../command-context.ts';
import { hubDescribeCommand, hubHistoryCommand } from './describe.ts';
import {
  hubLsCommand,
  hubMergeCommand,
  hubQuotaCommand,
  hubRmCommand,
  hubSearchCommand,
  hubSignersCommand,
  hubTagCommand,
} from './names.ts';
import { hubServeCommand } from './serve.ts';
import { hubDownloadCommand, hubUploadCommand } from './transfer.ts';

export function hubCommand(context: CommandContext): Command {
  return new Command('hub')
    .description('The hub, which keeps flists and their chunks for others.')
    .addCommand(hubServeCommand(context))
    .addCommand(hubUploadCommand(context))
    .addCommand(hubDownloadCommand(context))
    .addCommand(hubLsCommand(context))
    .addCommand(hubSearchCommand(context))
    .addCommand(hubTagCommand(context))
    .addCommand(hubMergeCommand(context))
    .addCommand(hubRmCommand(context))
    .addCommand(hubDescribeCommand(context))
    .addCommand(hubHistoryCommand(context))
    .addCommand(hubQuotaCommand(context))
    .addCommand(hubSignersCommand(context));
}
