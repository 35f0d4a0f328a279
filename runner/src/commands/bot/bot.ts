import { Command } from 'commander';

import type { CommandContext } from '../../command-context.ts';
import { botBackupCommand } from './backup.ts';
import { botCardCommand } from './card.ts';
import { botRecoverCommand } from './recover.ts';
import { botCallCommand, botStatusCommand } from './call.ts';
import { botInitCommand } from './init.ts';
import { botNoticesCommand } from './notices.ts';
import { botReleaseBrakeCommand } from './release-brake.ts';
import { botRotateCommand } from './rotate.ts';
import { botStartCommand } from './start.ts';

export function botCommand(context: CommandContext): Command {
  return new Command('bot')
    .description('3Bots: digital selves that act for their owners.')
    .addCommand(botInitCommand(context))
    .addCommand(botStartCommand(context))
    .addCommand(botStatusCommand(context))
    .addCommand(botNoticesCommand(context))
    .addCommand(botCallCommand(context))
    .addCommand(botReleaseBrakeCommand(context))
    .addCommand(botRotateCommand(context))
    .addCommand(botBackupCommand(context))
    .addCommand(botCardCommand(context))
    .addCommand(botRecoverCommand(context));
}
