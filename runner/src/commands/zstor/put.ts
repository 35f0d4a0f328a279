import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { basename } from 'node:path';

import { errorCode, formatBytes, GridError } from '@commongrid/base';
import type { Command } from 'commander';

import { printResult } from '../../command-context.ts';
import type { CommandContext } from '../../command-context.ts';
import type { GridErrorCode } from '../../errors.ts';
import { countedBytes, withByteProgress } from '../../byte-progress.ts';
import { formatShards, parseShards, storeCommand, usualShards, withStore } from './store.ts';
import type { Shards, StoreOptions } from './store.ts';

type PutOptions = StoreOptions & { readonly shards?: Shards };

interface Source {
  readonly sizeBytes: number | undefined;
  open(): AsyncIterable<Uint8Array>;
}

export function zstorPutCommand(context: CommandContext): Command {
  return storeCommand('put', 'Keep a file in the store, in the place of what has its name.')
    .argument('<file>', 'the file, or - for stdin')
    .argument('[name]', 'its name in the store; default: that of the file')
    .option(
      '--shards <k+m>',
      `data and parity shards; default ${formatShards(usualShards)}`,
      parseShards,
    )
    .addHelpText(
      'after',
      '\nThe first one begins the store: it makes the key file, which nothing can replace, and the log on' +
        '\n2m + 1 backends. Keep a copy of the key file elsewhere.',
    )
    .action(async (file: string, given: string | undefined, options: PutOptions) => {
      const name = given ?? nameOf(file);
      const { shards = usualShards } = options;
      const source = await sourceOf(file);
      const startedMs = performance.now();
      const whole = { ...options, canBegin: true, isRemoving: true };
      const done = await withStore(context, whole, (store, signal) =>
        withByteProgress(context.terminal, `putting ${name}`, (onProgress) => {
          const { sizeBytes: totalBytes } = source;
          const bytes = countedBytes(source.open(), (doneBytes) =>
            onProgress({ doneBytes, totalBytes }),
          );
          return store.put(name, bytes, { sizeBytes: totalBytes, signal });
        }),
      );
      const tookMs = Math.round(performance.now() - startedMs);
      const result = {
        ...{ schema: 'grid.zstor.put.1', ...done, shards: formatShards(shards), tookMs },
      };
      printResult(context, options, result, () => {
        return `${name} is kept ${result.shards}, ${formatBytes(done.sizeBytes)}, SHA-256 ${done.sha256}`;
      });
    });
}

function nameOf(file: string): string {
  if (file !== '-') return basename(file);
  throw new GridError<GridErrorCode>('GRID_USAGE', 'what comes from stdin needs a name', {
    hint: 'grid zstor put - NAME',
  });
}

/** @throws GRID_FILE_UNREADABLE */
async function sourceOf(file: string): Promise<Source> {
  if (file === '-') return { sizeBytes: undefined, open: () => process.stdin };
  try {
    const found = await stat(file);
    if (!found.isFile()) throw new Error('it is no file');
    return { sizeBytes: found.size, open: () => createReadStream(file, { highWaterMark }) };
  } catch (error) {
    const why = errorCode(error) ?? (error instanceof Error ? error.message : String(error));
    throw new GridError<GridErrorCode>('GRID_FILE_UNREADABLE', `cannot read ${file}: ${why}`, {
      hint: 'name a file that you may read',
      details: { file },
      cause: error,
    });
  }
}

const highWaterMark = 1024 * 1024;
