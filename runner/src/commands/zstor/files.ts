import { formatBytes } from '@commongrid/base';
import type { BlobCheck, StorFile } from '@commongrid/zstor';
import type { Command } from 'commander';

import { printResult } from '../../command-context.ts';
import type { CommandContext } from '../../command-context.ts';
import { formatTable, withProgress } from '../../terminal.ts';
import { formatTime } from '../bcdb/options.ts';
import { storeCommand, withStore } from './store.ts';
import type { StoreOptions } from './store.ts';

type ListOptions = StoreOptions & { readonly after?: string };

export function zstorLsCommand(context: CommandContext): Command {
  return storeCommand('ls', 'List files, 1,000 at most.')
    .argument('[prefix]', 'only those whose names begin so')
    .option('--after <name>', 'only those that come after this name')
    .action(async (prefix: string | undefined, options: ListOptions) => {
      const files = await withStore(context, options, async (store) =>
        store.list(prefix, options.after),
      );
      const result = { schema: 'grid.zstor.ls.1', files };
      printResult(context, options, result, () => describeFiles(files));
    });
}

export function zstorRmCommand(context: CommandContext): Command {
  return storeCommand('rm', 'Remove a file.')
    .argument('<name>', 'its name')
    .addHelpText(
      'after',
      '\nWhat it took is given back now, for 30 seconds at most; a later put or rm goes on with the rest.',
    )
    .action(async (name: string, options: StoreOptions) => {
      await withStore(context, { ...options, isRemoving: true }, (store) => store.remove(name));
      const result = { schema: 'grid.zstor.rm.1', name };
      printResult(context, options, result, () => `${name} is removed`);
    });
}

export function zstorTidyCommand(context: CommandContext): Command {
  return storeCommand('tidy', 'Pack small files, and delete whatever nothing needs.')
    .addHelpText(
      'after',
      '\nIt goes through all keys of all backends that answer: what a put that was killed left goes, and' +
        '\nwhat a backend kept that was away when a file was removed. Run it now and then where no head' +
        '\nstays; one that stays does so by itself, once a day.',
    )
    .action(async (options: StoreOptions) => {
      await withStore(context, options, (store, signal) =>
        withProgress(context.terminal, 'tidying', store.tidy(signal)),
      );
      const result = { schema: 'grid.zstor.tidy.1' };
      printResult(context, options, result, () => 'the store is tidy');
    });
}

export function zstorCheckCommand(context: CommandContext): Command {
  return storeCommand('check', 'Ask the backends whether they have all shards of a file.')
    .argument('<name>', 'its name')
    .addHelpText('after', '\nExit status 0 when all are there, 1 when some are not.')
    .action(async (name: string, options: StoreOptions) => {
      const check = await withStore(context, options, (store, signal) =>
        withProgress(context.terminal, `checking ${name}`, store.check(name, signal)),
      );
      if (check.present < check.shards) context.exitStatus = 1;
      const result = { schema: 'grid.zstor.check.1', name, ...check };
      printResult(context, options, result, () => describeCheck(name, check));
    });
}

function describeFiles(files: readonly StorFile[]): string {
  if (files.length === 0) return 'there is no such file';
  return formatTable(
    files.map(({ name, sizeBytes, atMs }) => [formatBytes(sizeBytes), formatTime(atMs), name]),
  );
}

function describeCheck(name: string, check: BlobCheck): string {
  const { chunks, shards, present, missing, away, unreadableChunks } = check;
  return [
    `${present} of ${shards} shards of ${name} are there, in ${chunks} chunks`,
    ...(missing === 0 ? [] : [`${missing} are missing`]),
    ...(away === 0 ? [] : [`${away} are on backends that do not answer, or cannot read them`]),
    ...(unreadableChunks === 0 ? [] : [`${unreadableChunks} chunks cannot be read now`]),
  ].join('\n');
}
