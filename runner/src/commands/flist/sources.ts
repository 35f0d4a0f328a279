import { Command } from 'commander';
import { GridError } from '@commongrid/base';
import type { ServiceSource } from '@commongrid/flist';

import { printResult } from '../../command-context.ts';
import type { CommandContext } from '../../command-context.ts';
import type { GridErrorCode } from '../../errors.ts';
import { formatTable } from '../../terminal.ts';
import { ImageStore, storeSubcommand } from './image-store.ts';
import type { SourceStatus, StoreOptions } from './image-store.ts';
import { parseSource, sourceText } from './source-text.ts';
import type { SourceSecrets } from './source-text.ts';

type AddOptions = StoreOptions & SourceSecrets & { readonly first?: true };

export function flistSourcesCommand(context: CommandContext): Command {
  return new Command('sources')
    .description('Where content of mounted images is fetched from.')
    .addCommand(listCommand(context))
    .addCommand(addCommand(context))
    .addCommand(removeCommand(context));
}

function listCommand(context: CommandContext): Command {
  return storeSubcommand('list', 'List the sources in the order in which they are asked.').action(
    async (options: StoreOptions) => {
      const store = new ImageStore(context, options);
      await print(context, options, store);
    },
  );
}

function addCommand(context: CommandContext): Command {
  return storeSubcommand('add', 'Ask a further source, behind the others.')
    .argument(
      '<source>',
      'a folder of flists, http://HUB, zdb://HOST:PORT/NAMESPACE or zstor:FOLDER with its tables',
    )
    .option('--first', 'ask it ahead of the others')
    .option('--password-file <file>', 'of the namespace of a Zero-DB')
    .option('--backends <file>', 'the Zero-DBs of a Zero-Stor, a list in JSON')
    .option('--key-file <file>', 'the key of a Zero-Stor; default: `key` in its folder')
    .action(async (text: string, options: AddOptions) => {
      const store = new ImageStore(context, options);
      const added = parseSource(text, options);
      const others = (await store.sources()).filter(
        (source) => sourceText(source) !== sourceText(added),
      );
      await store.setSources(options.first === true ? [added, ...others] : [...others, added]);
      await print(context, options, store);
    });
}

function removeCommand(context: CommandContext): Command {
  return storeSubcommand('remove', 'Do not ask a source any more.')
    .argument('<source>', 'as `list` shows it')
    .action(async (text: string, options: StoreOptions) => {
      const store = new ImageStore(context, options);
      const sources = await store.sources();
      const left = sources.filter((source) => !isCalled(source, text));
      if (left.length === sources.length) throw unknown(text);
      await store.setSources(left);
      await print(context, options, store);
    });
}

/** The text itself, or another way to write a folder or a hub. */
function isCalled(source: ServiceSource, text: string): boolean {
  const name = sourceText(source);
  if (name === text || text.startsWith('zstor:')) return name === text;
  return name === sourceText(parseSource(text));
}

async function print(
  context: CommandContext,
  options: StoreOptions,
  store: ImageStore,
): Promise<void> {
  const [sources, status] = [await store.sources(), await store.sourceStatus()];
  const rows = sources.map((source, at) => ({
    ...{ source: sourceText(source), isOwnHub: 'isOwnHub' in source && source.isOwnHub },
    lastFailure: status?.[at]?.lastFailure ?? null,
  }));
  const result = { schema: 'grid.flist.sources.1', isRunning: status !== undefined, sources: rows };
  printResult(context, options, result, () => describe(rows, status));
}

function describe(
  rows: readonly { readonly source: string; readonly isOwnHub: boolean }[],
  status: readonly SourceStatus[] | undefined,
): string {
  if (rows.length === 0) return 'there are none: only what is in the store can be read';
  return formatTable(
    rows.map(({ source, isOwnHub }, at) => [
      ...[source, isOwnHub ? 'hub of this grid' : ''],
      status?.[at]?.lastFailure ?? '',
    ]),
  );
}

function unknown(text: string): GridError<GridErrorCode> {
  return new GridError('GRID_FLIST_SOURCE', `${text} is no source of this store`, {
    hint: 'grid flist sources list',
    details: { source: text },
  });
}
