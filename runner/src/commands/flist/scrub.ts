import { formatBytes, GridError, isGridError, parseBytes, shutdownSignal } from '@commongrid/base';
import type { RepositoryScrubResult, StoreScrubResult } from '@commongrid/flist';
import { InvalidArgumentError } from 'commander';
import type { Command } from 'commander';

import { printResult } from '../../command-context.ts';
import type { CommandContext } from '../../command-context.ts';
import { counted, withProgress } from '../../terminal.ts';
import { ImageStore, storeSubcommand } from './image-store.ts';
import type { StoreOptions } from './image-store.ts';
import { withRepository } from './made-flist.ts';

type ScrubOptions = StoreOptions & { readonly rate?: number };

export function flistScrubCommand(context: CommandContext): Command {
  return storeSubcommand('scrub', 'Read all content that is here, and remove what is damaged.')
    .option('--rate <size>', 'read no more than this in a second', parseRate)
    .addHelpText(
      'after',
      '\nThe repository, and while something is mounted the store: what is damaged there is fetched' +
        '\nagain. Before a mount the store is looked at anyway. Exit status 1 when something was damaged.',
    )
    .action(async (options: ScrubOptions) => {
      const signal = shutdownSignal();
      const pace = options.rate === undefined ? {} : { bytesPerSecond: options.rate };
      const { terminal } = context;
      const repository = await withRepository(context, options, (one) =>
        withProgress(terminal, 'reading the repository', one.scrub({ ...pace, signal })),
      );
      const reading = scrubStore(new ImageStore(context, options), pace, signal);
      const store = await withProgress(terminal, 'reading the store', reading);
      const bad = repository.badChunks.length + (store?.badFiles ?? 0);
      if (bad > 0) context.exitStatus = 1;
      const result = { schema: 'grid.flist.scrub.1', repository, store: store ?? null };
      printResult(context, options, result, () => describe(repository, store));
    });
}

/** Undefined: nothing is mounted. */
async function scrubStore(
  store: ImageStore,
  pace: { readonly bytesPerSecond?: number },
  signal: AbortSignal,
): Promise<StoreScrubResult | undefined> {
  try {
    return await store.ask<StoreScrubResult>('scrub', pace, { signal });
  } catch (error) {
    if (isGridError(error, 'BASE_CONTROL_ABSENT')) return undefined;
    throw error;
  }
}

function parseRate(text: string): number {
  try {
    return parseBytes(text);
  } catch (error) {
    if (error instanceof GridError) throw new InvalidArgumentError(error.message);
    throw error;
  }
}

function describe(repository: RepositoryScrubResult, store: StoreScrubResult | undefined): string {
  const { checkedChunks, checkedBytes, badChunks } = repository;
  const lines = [
    `repository: ${counted(checkedChunks, 'chunk')} read, ${formatBytes(checkedBytes)}`,
    ...badChunks.map((hash) => `  ${hash} was damaged: make or fetch its image again`),
  ];
  if (store === undefined) return [...lines, 'store: nothing is mounted'].join('\n');
  const read = `${counted(store.checkedFiles, 'file')} read, ${formatBytes(store.checkedBytes)}`;
  const bad =
    store.badFiles === 0 ? '' : `, ${counted(store.badFiles, 'file')} damaged and removed`;
  return [...lines, `store: ${read}${bad}`].join('\n');
}
