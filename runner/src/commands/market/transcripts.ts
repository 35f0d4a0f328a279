import type { Command } from 'commander';

import { printResult } from '../../command-context.ts';
import type { CommandContext } from '../../command-context.ts';
import { formatTable } from '../../terminal.ts';
import { formatTime } from '../bcdb/options.ts';
import { botFolderOf, botSubcommand } from '../bot/bot-options.ts';
import type { BotOptions } from '../bot/bot-options.ts';
import { askBot } from '../bot/ask-bot.ts';

interface Step {
  readonly seq: number;
  readonly deal: string;
  readonly side: 'farmer' | 'buyer';
  readonly peer: string;
  readonly atMs: number;
  readonly step: string;
  readonly body: unknown;
}

interface Rules {
  readonly file: string;
  readonly rules: unknown;
  readonly fault: string | null;
}

type TranscriptOptions = BotOptions & { readonly deal?: string };

export function marketTranscriptsCommand(context: CommandContext): Command {
  return botSubcommand(
    'transcripts',
    'Show what a running bot said in deals and what it was told: the newest 200 steps.',
  )
    .option('--deal <quote>', 'of this quote alone, every step with its content')
    .action(async (name: string, options: TranscriptOptions) => {
      const { deal } = options;
      const input = deal === undefined ? {} : { deal };
      const answer = await askBot(botFolderOf(context, name, options), 'market.transcripts', input);
      const steps = (answer as readonly Step[]).toReversed();
      const result = { schema: 'grid.market.transcripts.1', steps };
      printResult(context, options, result, () => {
        if (steps.length === 0) return 'nothing was said yet';
        return deal === undefined ? listed(steps) : told(steps);
      });
    });
}

export function marketRulesCommand(context: CommandContext): Command {
  return botSubcommand('rules', 'Show by which rules a running bot sells.').action(
    async (name: string, options: BotOptions) => {
      const folder = botFolderOf(context, name, options);
      const now = (await askBot(folder, 'market.rules', {})) as Rules;
      const result = { schema: 'grid.market.rules.1', ...now };
      printResult(context, options, result, () =>
        [
          `rules are read from ${now.file}; what it leaves out is as here:`,
          JSON.stringify(now.rules, undefined, 2),
          ...(now.fault === null ? [] : [`the file does not count: ${now.fault}`]),
        ].join('\n'),
      );
    },
  );
}

function listed(steps: readonly Step[]): string {
  const rows = steps.map(({ atMs, deal, side, step, peer, body }) => {
    return [formatTime(atMs), deal, side, step === 'refusal' ? codeOf(body) : step, peer];
  });
  return formatTable(rows);
}

function told(steps: readonly Step[]): string {
  return steps
    .map(
      ({ atMs, step, body }) =>
        `${formatTime(atMs)} ${step}\n${JSON.stringify(body, undefined, 2)}`,
    )
    .join('\n');
}

function codeOf(body: unknown): string {
  return String((body as { readonly code?: unknown }).code);
}
