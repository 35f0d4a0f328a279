import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';

import { errorCode, GridError, shutdownSignal } from '@commongrid/base';
import type { FlistRepository, MadeImage } from '@commongrid/flist';
import type { Command } from 'commander';

import type { CommandContext } from '../../command-context.ts';
import type { GridErrorCode } from '../../errors.ts';
import { withProgress } from '../../terminal.ts';
import { flistSubcommand } from './local-repository.ts';
import type { FlistOptions } from './local-repository.ts';
import { keepFlist, printMade, withRepository } from './made-flist.ts';

export function flistCreateCommand(context: CommandContext): Command {
  return flistSubcommand('create', 'Make an flist of a folder or a tar.')
    .argument('<source>', 'a folder, a tar (plain, gzip or zstd), or - for a tar from stdin')
    .addHelpText('after', '\nThe same files twice make the same digest, which is printed.')
    .action(async (source: string, options: FlistOptions) => {
      const signal = shutdownSignal();
      await withRepository(context, options, async (repository) => {
        const making = make(source, repository, signal);
        const made = await withProgress(context.terminal, `reading ${source}`, making);
        printMade(context, options, await keepFlist(repository, made.flist), made);
      });
    });
}

async function make(
  source: string,
  sink: FlistRepository,
  signal: AbortSignal,
): Promise<MadeImage> {
  const { createFromFolder, createFromTar } = await import('@commongrid/flist');
  if (source === '-') return createFromTar(process.stdin, sink, { signal });
  const found = await stat(source).catch((cause: unknown) => {
    throw new GridError<GridErrorCode>(
      'GRID_FILE_UNREADABLE',
      `cannot read ${source}: ${errorCode(cause) ?? String(cause)}`,
      { hint: 'name a folder or a tar that you may read', details: { source }, cause },
    );
  });
  if (found.isDirectory()) return createFromFolder(source, sink, { signal });
  return createFromTar(createReadStream(source), sink, { signal });
}
