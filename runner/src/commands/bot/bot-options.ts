import { resolve } from 'node:path';

import { isName } from '@commongrid/model';
import type { Command } from 'commander';
import { InvalidArgumentError } from 'commander';

import { resultCommand } from '../../command-context.ts';
import type { CommandContext, JsonOption } from '../../command-context.ts';
import { BotFolder } from './bot-folder.ts';

/** Which bot of this machine a command is about. */
export type BotOptions = JsonOption & { readonly data?: string };

/** Adds the name of a bot, and where it is. */
export function withBot(command: Command): Command {
  return command
    .argument('<name>', 'of the bot: 3 to 32 of a-z, 0-9 and single dashes', parseBotName)
    .option('--data <folder>', 'of the bot; default: bots/NAME in GRID_HOME');
}

export function botSubcommand(name: string, description: string): Command {
  return withBot(resultCommand(name, description));
}

export function botFolderOf(
  { environment }: CommandContext,
  name: string,
  { data }: BotOptions,
): BotFolder {
  return data === undefined
    ? BotFolder.named(environment.home, name)
    : new BotFolder(resolve(data));
}

/** For commander. */
export function parseBotName(text: string): string {
  if (isName(text)) return text;
  throw new InvalidArgumentError('give 3 to 32 of a-z, 0-9 and single dashes between them');
}
