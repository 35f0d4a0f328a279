import { GridError } from '@commongrid/base';
import type { OriginalFolders } from '@commongrid/zdb';
import type { Command } from 'commander';
import { InvalidArgumentError } from 'commander';

import { resultCommand } from '../../command-context.ts';
import type { JsonOption } from '../../command-context.ts';
import type { GridErrorCode } from '../../errors.ts';

export type FolderOptions = JsonOption & { readonly data: string };

/** Where a dump or an original 0-db is. */
export type OutsideOptions = FolderOptions & {
  readonly originalIndex?: string;
  readonly originalData?: string;
};

/** A command on the folder of a Zero-DB that no server uses meanwhile. */
export function folderCommand(name: string, description: string): Command {
  return resultCommand(name, description).requiredOption(
    '--data <folder>',
    'the folder that `grid zdb serve` was given',
  );
}

/** A folder command with a dump, or the two folders of an original 0-db, on the other side. */
export function transferCommand(name: string, description: string): Command {
  return folderCommand(name, description)
    .option('--original-index <folder>', 'instead of a dump: the index folder of an original 0-db')
    .option('--original-data <folder>', 'and its data folder');
}

/** The dump, or the folders of an original 0-db. @throws GRID_USAGE unless it is exactly one */
export function outsideOf(
  command: string,
  file: string | undefined,
  { originalIndex, originalData }: OutsideOptions,
): { readonly file: string } | { readonly original: OriginalFolders } {
  const isOriginal = originalIndex !== undefined && originalData !== undefined;
  if (file === undefined && isOriginal) {
    return { original: { indexDir: originalIndex, dataDir: originalData } };
  }
  if (file !== undefined && originalIndex === undefined && originalData === undefined) {
    return { file };
  }
  throw new GridError<GridErrorCode>(
    'GRID_USAGE',
    'name a dump, or --original-index and --original-data, and not both',
    { hint: `./grid zdb ${command} --help` },
  );
}

/** Gathers `OLD=NEW` into a map. */
export function parseRename(
  text: string,
  renames: ReadonlyMap<string, string> = new Map(),
): ReadonlyMap<string, string> {
  const [, from, to] = /^([^=]+)=([^=]+)$/.exec(text) ?? [];
  if (from !== undefined && to !== undefined) return new Map([...renames, [from, to]]);
  throw new InvalidArgumentError('give it as OLD=NEW');
}
