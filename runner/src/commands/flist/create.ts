import { createReadStream } from 'node:fs';
import { access, constants, stat } from 'node:fs/promises';

import { errorCode, GridError, shutdownSignal, throwIfAborted } from '@commongrid/base';
import type { ChunkSink, MadeImage } from '@commongrid/flist';
import type { Command } from 'commander';

import { countedBytes, withByteProgress } from '../../byte-progress.ts';
import type { ByteProgress } from '../../byte-progress.ts';
import type { CommandContext } from '../../command-context.ts';
import type { GridErrorCode } from '../../errors.ts';
import { createSystemFlist } from '../../system-flist.ts';
import { about, flistSubcommand } from './local-repository.ts';
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
      const what = `reading ${source ?? context.root}`;
      await withRepository(context, options, async (repository) => {
        const made = await withByteProgress(context.terminal, what, (onProgress) => {
          const work = { sink: repository, onProgress, signal };
          return source === undefined
            ? createSystemFlist(context.root, countingSink(work), signal)
            : make(source, work);
        });
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

interface Work {
  readonly sink: ChunkSink;
  readonly onProgress: (progress: ByteProgress) => void;
  readonly signal: AbortSignal;
}

async function make(source: string, work: Work): Promise<MadeImage> {
  const { createFromFolder, createFromTar } = await import('@commongrid/flist');
  const { sink, signal } = work;
  if (source === '-') return createFromTar(process.stdin, countingSink(work), { signal });
  const found = await stat(source).catch((cause: unknown) => {
    throw unreadable(source, cause);
  });
  if (found.isDirectory()) {
    await access(source, constants.R_OK | constants.X_OK).catch((cause: unknown) => {
      throw unreadable(source, cause);
    });
    return createFromFolder(source, countingSink(work), { signal });
  }
  const totalBytes = found.isFile() ? found.size : undefined;
  const bytes = countedBytes(createReadStream(source, { highWaterMark }), (doneBytes) => {
    throwIfAborted(signal);
    work.onProgress({ doneBytes, totalBytes });
  });
  return createFromTar(bytes, sink, { signal }).catch((error: unknown) => {
    throw about(source, error);
  });
}

function unreadable(source: string, cause: unknown): GridError<GridErrorCode> {
  const why = errorCode(cause) ?? String(cause);
  return new GridError('GRID_FILE_UNREADABLE', `cannot read ${source}: ${why}`, {
    hint: 'name a folder or a tar that you may read',
    details: { source },
    cause,
  });
}

const highWaterMark = 1024 * 1024;

/** Nobody knows how much there is before all of it was read. */
function countingSink({ sink, onProgress, signal }: Work): ChunkSink {
  let doneBytes = 0;
  return {
    put: async (plaintext) => {
      throwIfAborted(signal);
      doneBytes += plaintext.length;
      onProgress({ doneBytes, totalBytes: undefined });
      return sink.put(plaintext);
    },
  };
}
