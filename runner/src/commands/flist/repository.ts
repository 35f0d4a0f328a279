import { formatBytes, GridError } from '@commongrid/base';
import type { FlistDigest } from '@commongrid/flist';
import type { Command } from 'commander';

import { printResult } from '../../command-context.ts';
import type { CommandContext } from '../../command-context.ts';
import { counted, withProgress } from '../../terminal.ts';
import type { GridErrorCode } from '../../errors.ts';
import { ImageStore, storeSubcommand } from './image-store.ts';
import type { StoreOptions } from './image-store.ts';
import { findFlist, flistSubcommand, repositoryFolder, shortDigest } from './local-repository.ts';
import type { FlistOptions } from './local-repository.ts';
import { keepFlist, withRepository } from './made-flist.ts';

export function flistListCommand(context: CommandContext): Command {
  return flistSubcommand('list', 'List the flists of a repository.').action(
    async (options: FlistOptions) => {
      const { RepositoryReader } = await import('@commongrid/flist');
      const reader = new RepositoryReader(repositoryFolder(context, options));
      const digests = await Array.fromAsync(reader.listFlists());
      const result = { schema: 'grid.flist.list.1', digests };
      printResult(context, options, result, () =>
        digests.length === 0 ? 'there are none' : digests.join('\n'),
      );
    },
  );
}

export function flistMergeCommand(context: CommandContext): Command {
  return flistSubcommand(
    'merge',
    'Make one flist of several: of two files of a path the last one stays.',
  )
    .argument('<flists...>', 'digests, beginnings of them, or files')
    .action(async (names: readonly string[], options: FlistOptions) => {
      const { mergeFlists } = await import('@commongrid/flist');
      const found = await Promise.all(names.map((name) => findFlist(context, options, name)));
      const merged = mergeFlists(found.map(({ flist }) => flist));
      const digest = await withRepository(context, options, (repository) =>
        keepFlist(repository, merged),
      );
      const result = { schema: 'grid.flist.merge.1', digest };
      printResult(context, options, result, () => digest);
    });
}

export function flistRmCommand(context: CommandContext): Command {
  return storeSubcommand('rm', 'Remove an flist with its signatures; `gc` frees what it had.')
    .argument('<flist>', 'its digest, or the beginning of it')
    .action(async (name: string, options: StoreOptions) => {
      const { digest } = await findFlist(context, options, name);
      await checkUnused(context, options, digest);
      await withRepository(context, options, (repository) => repository.removeFlist(digest));
      printResult(context, options, { schema: 'grid.flist.rm.1', digest }, () => removed(digest));
    });
}

export function flistGcCommand(context: CommandContext): Command {
  return flistSubcommand(
    'gc',
    'Remove chunks that no flist names and that are older than a day.',
  ).action(async (options: FlistOptions) => {
    const collected = await withRepository(context, options, (repository) =>
      withProgress(context.terminal, 'looking through all chunks', repository.collect()),
    );
    const result = { schema: 'grid.flist.gc.1', ...collected };
    printResult(context, options, result, ({ removedChunks, removedBytes, keptChunks }) => {
      const kept = `${counted(keptChunks, 'chunk')} are kept`;
      return `${counted(removedChunks, 'chunk')} are removed, ${formatBytes(removedBytes)}; ${kept}`;
    });
  });
}

/** What is mounted fetches from the repository what it has not read yet. @throws GRID_FLIST_IN_USE */
async function checkUnused(
  context: CommandContext,
  options: StoreOptions,
  digest: FlistDigest,
): Promise<void> {
  if (!context.environment.isRoot) return;
  const mounts = await new ImageStore(context, options).list();
  const mount = mounts.find((one) => one.digest === digest);
  if (mount === undefined) return;
  const what = `${shortDigest(digest)} is mounted at ${mount.target}`;
  throw new GridError<GridErrorCode>('GRID_FLIST_IN_USE', what, {
    hint: `grid flist umount ${mount.target}`,
    details: { digest, target: mount.target },
  });
}

function removed(digest: FlistDigest): string {
  return `${shortDigest(digest)} is removed`;
}
