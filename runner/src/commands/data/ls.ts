import type { Command } from 'commander';

import { printResult } from '../../command-context.ts';
import type { CommandContext } from '../../command-context.ts';
import { formatTable } from '../../terminal.ts';
import { askBot } from '../bot/ask-bot.ts';
import { dataBot, dataSubcommand } from './data-bot.ts';
import type { DataOptions } from './data-bot.ts';

interface Page {
  readonly entries: readonly { readonly path: string; readonly sizeBytes?: number }[];
  readonly cursor?: string;
}

type LsOptions = DataOptions & { readonly cursor?: string };

export function dataLsCommand(context: CommandContext): Command {
  return dataSubcommand('ls', 'List collections, records or files, of this bot or of another.')
    .argument('[address]', 'grid://BOT/, grid://BOT/COLLECTION or grid://BOT/files/FOLDER')
    .option('--cursor <text>', 'the next page: what the last one said')
    .action(async (given: string | undefined, options: LsOptions) => {
      const bot = await dataBot(context, options);
      const address = given ?? `grid://${(await bot.config()).name}/`;
      const cursor = options.cursor === undefined ? {} : { cursor: options.cursor };
      const page = (await askBot(bot, 'data.browse', { address, ...cursor })) as Page;
      const result = { schema: 'grid.data.ls.1', address, ...page };
      printResult(context, options, result, () => describe(page));
    });
}

function describe({ entries, cursor }: Page): string {
  const rows = entries.map(({ path, sizeBytes }) => [path, sizeBytes?.toString() ?? '']);
  return [formatTable(rows), ...(cursor === undefined ? [] : [`more: --cursor ${cursor}`])].join(
    '\n',
  );
}
