import type { Notice } from '@commongrid/threebot';
import type { Command } from 'commander';

import { printResult } from '../../command-context.ts';
import type { CommandContext } from '../../command-context.ts';
import { counted, plainText } from '../../terminal.ts';
import type { Style } from '../../terminal.ts';
import { formatTime } from '../bcdb/options.ts';
import { askBot } from './ask-bot.ts';
import { botFolderOf, botSubcommand } from './bot-options.ts';
import type { BotOptions } from './bot-options.ts';

type NoticesOptions = BotOptions & {
  readonly follow?: true;
  readonly ack?: true;
  readonly all?: true;
};

/** How long one question waits for the next notice, ms. */
const waitMs = 15_000;

export function botNoticesCommand(context: CommandContext): Command {
  return botSubcommand(
    'notices',
    'Show what a running bot tells its owner: what ends, what waits, what moved.',
  )
    .option('-f, --follow', 'go on with those that come from now on')
    .option('--ack', 'call those that are shown read: they are not shown again while they hold')
    .option('--all', 'also those that are read or over')
    .action(async (name: string, options: NoticesOptions) => {
      const bot = botFolderOf(context, name, options);
      const { style } = context.terminal;
      const all = options.all === true;
      const ask = async (more: object): Promise<readonly Notice[]> => {
        const found = (await askBot(bot, 'notices.list', { all, ...more })) as readonly Notice[];
        const seqs = found.map(({ seq }) => seq);
        if (options.ack === true && seqs.length > 0) await askBot(bot, 'notices.read', { seqs });
        return found;
      };
      const notices = await ask({});
      if (options.follow !== true) {
        const result = { schema: 'grid.bot.notices.1', name, notices };
        printResult(context, options, result, () => describe(notices, style));
        return;
      }
      for (let fresh = notices, after = 0; ;) {
        for (const notice of fresh) {
          const result = { schema: 'grid.bot.notice.1', name, ...notice };
          printResult(context, options, result, () => describe([notice], style));
        }
        after = fresh.at(-1)?.seq ?? after;
        fresh = await ask({ after, waitMs });
      }
    });
}

/** One line of how much waits; undefined where nothing does. */
export function noticesLine(
  name: string,
  { open, urgent }: { readonly open: number; readonly urgent: number },
): string | undefined {
  if (open === 0) return undefined;
  const pressing = urgent === 0 ? '' : `, ${urgent} of them urgent`;
  return `${counted(open, 'notice')}${pressing}: grid bot notices ${name}`;
}

function describe(notices: readonly Notice[], style: Style): string {
  if (notices.length === 0) return 'there is nothing to tell';
  return notices
    .map(({ severity, code, message, next, atMs, overMs }) => {
      const mark = severity === 'urgent' ? style.bad(severity) : severity;
      const over = overMs === null ? '' : `; over since ${formatTime(overMs)}`;
      return `${formatTime(atMs)}  ${mark}  ${code}${over}\n  ${plainText(message)}\n  next: ${plainText(next)}`;
    })
    .join('\n');
}
