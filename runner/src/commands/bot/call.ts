import { isGridError } from '@commongrid/base';
import { InvalidArgumentError } from 'commander';
import type { Command } from 'commander';

import { printResult } from '../../command-context.ts';
import type { CommandContext } from '../../command-context.ts';
import { askBot } from './ask-bot.ts';
import { botFolderOf, botSubcommand } from './bot-options.ts';
import type { BotOptions } from './bot-options.ts';
import { noticesLine } from './notices.ts';

interface BotStatus {
  readonly id: string;
  readonly log: string;
  readonly links: number;
  readonly letters: number;
  readonly refused: readonly { readonly to: string; readonly why: string }[];
  readonly database: { readonly state: string; readonly answeredMs: number | null };
  readonly notices: { readonly open: number; readonly urgent: number };
  readonly residentBytes: number;
  readonly halt: string | null;
}

export function botStatusCommand(context: CommandContext): Command {
  return botSubcommand('status', 'Show how a bot of this machine does.').action(
    async (name: string, options: BotOptions) => {
      const { id, trust } = await botFolderOf(context, name, options).config();
      const status = await statusOf(context, name, options);
      const result = {
        ...{ schema: 'grid.bot.status.1', id, name, log: trust.log },
        ...{ isRunning: status !== undefined, ...status },
      };
      printResult(context, options, result, () => describe(name, id, status));
    },
  );
}

export function botCallCommand(context: CommandContext): Command {
  return botSubcommand('call', 'Call a method of a running bot, as its owner.')
    .argument('<method>', 'such as mailbox.send, messages.list, people.allow, bot.call')
    .argument('[input]', 'JSON; default {}', parseJson)
    .action(async (name: string, method: string, input: unknown, options: BotOptions) => {
      const answer = await askBot(botFolderOf(context, name, options), method, input ?? {});
      const result = { schema: 'grid.bot.call.1', answer };
      printResult(context, options, result, () => JSON.stringify(answer, undefined, 2));
    });
}

/** Undefined while the bot does not run. */
async function statusOf(
  context: CommandContext,
  name: string,
  options: BotOptions,
): Promise<BotStatus | undefined> {
  try {
    return (await askBot(botFolderOf(context, name, options), 'bot.status', {})) as BotStatus;
  } catch (error) {
    if (isGridError(error, 'GRID_BOT_STOPPED')) return undefined;
    throw error;
  }
}

function describe(name: string, id: string, status: BotStatus | undefined): string {
  if (status === undefined) return `${name} is ${id}; it does not run`;
  const { links, letters, refused, database, residentBytes, halt } = status;
  const told = noticesLine(name, status.notices);
  return [
    `${name} is ${id}; it runs, with ${Math.round(residentBytes / 1e6)} MB`,
    `  ${links} links, ${letters} messages that are not known to have come`,
    ...refused.map(({ to, why }) => `  refused by ${to}: ${why}`),
    ...(database.state === 'away' ? [`  the database does not answer${lastAnswer(database)}`] : []),
    ...(told === undefined ? [] : [`  ${told}`]),
    ...(halt === null ? [] : [`  nothing new starts: ${halt}`]),
  ].join('\n');
}

function lastAnswer({ answeredMs }: BotStatus['database']): string {
  return answeredMs === null ? '' : `; last heard of at ${new Date(answeredMs).toISOString()}`;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new InvalidArgumentError('give JSON');
  }
}
