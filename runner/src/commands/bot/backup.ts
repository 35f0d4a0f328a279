import { resolve } from 'node:path';

import type { Command } from 'commander';

import { printResult } from '../../command-context.ts';
import type { CommandContext } from '../../command-context.ts';
import { askBot } from './ask-bot.ts';
import { botFolderOf, botSubcommand } from './bot-options.ts';
import type { BotOptions } from './bot-options.ts';

type BackupOptions = BotOptions & {
  readonly to?: string;
  readonly s3?: true;
  readonly daily?: true;
};

interface Made {
  readonly hash: string;
  readonly urls: readonly string[];
  readonly sizeBytes: number;
  readonly failures: readonly string[];
}

export function botBackupCommand(context: CommandContext): Command {
  return botSubcommand(
    'backup',
    'Make a sealed backup of a running bot, and name it in its record.',
  )
    .option('--to <folder>', 'a folder that gets it, too')
    .option('--s3', 'beside its files in S3 from now on, too')
    .option('--daily', 'the folder gets one each day from now on')
    .addHelpText(
      'after',
      '\nWhere the bot has a namespace (grid data init) the database gets one each day.',
    )
    .action(async (name: string, options: BackupOptions) => {
      const bot = botFolderOf(context, name, options);
      const folder = options.to === undefined ? {} : { folder: resolve(options.to) };
      const change = {
        ...(options.daily === true ? folder : {}),
        ...(options.s3 === true ? { files: true } : {}),
      };
      if (Object.keys(change).length > 0) await askBot(bot, 'backup.configure', change);
      const made = (await askBot(bot, 'backup.now', folder)) as Made;
      const result = { schema: 'grid.bot.backup.1', name, ...made };
      printResult(context, options, result, () => describe(made));
    });
}

function describe({ urls, sizeBytes, failures }: Made): string {
  return [
    `a backup of ${Math.ceil(sizeBytes / 1_000)} kB is at`,
    ...urls.map((url) => `  ${url}`),
    ...failures.map((why) => `one place does not have it: ${why}`),
  ].join('\n');
}
