import { readdir } from 'node:fs/promises';

import { errorCode, GridError } from '@commongrid/base';
import type { Command } from 'commander';

import { resultCommand } from '../../command-context.ts';
import type { CommandContext, JsonOption } from '../../command-context.ts';
import type { GridErrorCode } from '../../errors.ts';
import { GridHome } from '../../home.ts';
import { askBot } from '../bot/ask-bot.ts';
import { BotFolder } from '../bot/bot-folder.ts';
import { parseBotName } from '../bot/bot-options.ts';

/** Which bot of this machine acts. */
export type DataOptions = JsonOption & { readonly bot?: string };

export function dataSubcommand(name: string, description: string): Command {
  return resultCommand(name, description).option(
    '--bot <name>',
    'act as this bot of this machine; default: the only one',
    parseBotName,
  );
}

/** Calls a method of the bot. @throws GRID_BOT_UNKNOWN, GRID_BOT_STOPPED, GRID_USAGE */
export async function askData<T>(
  context: CommandContext,
  options: DataOptions,
  method: string,
  input: object,
): Promise<T> {
  return (await askBot(await dataBot(context, options), `data.${method}`, input)) as T;
}

/** The bot that is named, or the only one of this machine. */
export async function dataBot(
  { environment }: CommandContext,
  { bot }: DataOptions,
): Promise<BotFolder> {
  const { home } = environment;
  if (bot !== undefined) return BotFolder.named(home, bot);
  const names = await readdir(new GridHome(home).bots).catch((error: unknown) => {
    if (errorCode(error) === 'ENOENT') return [];
    throw error;
  });
  const made = names.map((name) => BotFolder.named(home, name)).filter(({ isMade }) => isMade);
  const [only, ...others] = made;
  if (only !== undefined && others.length === 0) return only;
  if (only === undefined) {
    throw new GridError<GridErrorCode>('GRID_BOT_UNKNOWN', 'this machine has no bot', {
      hint: 'grid bot init',
    });
  }
  throw new GridError<GridErrorCode>('GRID_USAGE', 'which bot? This machine has several', {
    hint: 'name one with --bot',
    details: { bots: names },
  });
}
