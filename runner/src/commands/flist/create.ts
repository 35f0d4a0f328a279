import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';

import { errorCode, GridError, shutdownSignal } from '@commongrid/base';
import type { FlistRepository, MadeImage } from '@commongrid/flist';
import type { Command } from 'commander';

import type { CommandContext } from '../../command-context.ts';
import type { GridErrorCode } from '../../errors.ts';
import { createSystemFlist } from '../../system-flist.ts';
import { withProgress } from '../../terminal.ts';
import { flistSubcommand } from './local-repository.ts';
import type { FlistOptions } from './local-repository.ts';
import { keepFlist, printMade, withRepository } from './made-flist.ts';

type CreateOptions = FlistOptions & { readonly system?: true };

export function flistCreateCommand(context: CommandContext): Command {
  return flistSubcommand('create', 'Make an flist of a folder or a tar.')
    .argument('[source]', 'a folder, a tar (plain, gzip or zstd), or - for a tar from stdin')
    .option('--system', 'of this grid itself: the image in which its own services run')
    .addHelpText('after', '\nThe same files twice make the same digest, which is printed.')
    .action(async (given: string | undefined, options: CreateOptions) => {
      const signal = shutdownSignal();
      const source = sourceOf(given, options);
      await withRepository(context, options, async (repository) => {
        const making =
          source === undefined
            ? createSystemFlist(context.root, repository, signal)
            : make(source, repository, signal);
        const made = await withProgress(
          context.terminal,
          `reading ${source ?? context.root}`,
          making,
        );
        printMade(context, options, await keepFlist(repository, made.flist), made);
      });
    });
}

/** Undefined: the system itself. @throws GRID_USAGE */
function sourceOf(given: string | undefined, { system }: CreateOptions): string | undefined {
  if ((given === undefined) === (system === true)) return given;
  throw new GridError<GridErrorCode>('GRID_USAGE', 'what is the flist to be of?', {
    hint: 'give a folder, a tar or --system',
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
