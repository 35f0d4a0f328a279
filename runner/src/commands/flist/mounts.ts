import { mkdir } from 'node:fs/promises';
import { resolve } from 'node:path';

import { GridError } from '@commongrid/base';
import type { MountRecord } from '@commongrid/flist';
import { Option } from 'commander';
import type { Command } from 'commander';

import { printResult } from '../../command-context.ts';
import type { CommandContext } from '../../command-context.ts';
import type { GridErrorCode } from '../../errors.ts';
import { formatTable, withProgress } from '../../terminal.ts';
import { formatTime } from '../bcdb/options.ts';
import { ImageStore, storeSubcommand } from './image-store.ts';
import type { StoreOptions } from './image-store.ts';
import { findFlist, shortDigest } from './local-repository.ts';

type MountOptions = StoreOptions & {
  readonly writable?: string;
  readonly mode?: 'overlay' | 'tree';
  readonly shift?: string;
};

export function flistMountCommand(context: CommandContext): Command {
  return storeSubcommand('mount', 'Show an flist as a folder; what is read is fetched.')
    .argument('<flist>', 'its digest, the beginning of it, or a file')
    .argument('<folder>', 'where; made when missing')
    .option('--writable <folder>', 'keeps what is written over it; default: read-only')
    .option('--shift <id>', 'add this to all owners and groups, for user namespaces')
    .addOption(
      new Option('--mode <mode>', 'default: what the kernel can').choices(['overlay', 'tree']),
    )
    .action(async (name: string, folder: string, options: MountOptions) => {
      requireRoot(context);
      const store = new ImageStore(context, options);
      const { writable, mode, shift } = options;
      const target = resolve(folder);
      await mkdir(target, { recursive: true });
      if (writable !== undefined) await mkdir(writable, { recursive: true });
      const ids = shift === undefined ? {} : { uidShift: Number(shift), gidShift: Number(shift) };
      const work = mounted(context, options, name, {
        ...(writable === undefined ? {} : { writableFolder: resolve(writable) }),
        ...(mode === undefined ? {} : { mode }),
        ...{ target, ...ids },
      });
      const record = await withProgress(context.terminal, `mounting ${name}`, work);
      printResult(context, options, record, () => {
        return `${shortDigest(record.digest)} is at ${record.target} (${record.mode})`;
      });
      await store.stopUnused();
    });
}

export function flistUmountCommand(context: CommandContext): Command {
  return storeSubcommand('umount', 'Take away what is mounted at a folder.')
    .argument('<folder>', 'where it is')
    .action(async (folder: string, options: StoreOptions) => {
      requireRoot(context);
      const store = new ImageStore(context, options);
      const target = resolve(folder);
      const mounts = await store.list();
      if (!mounts.some((mount) => mount.target === target)) throw notMounted(folder);
      await store.ask('unmount', { target });
      await store.stopUnused();
      const result = { schema: 'grid.flist.umount.1', target };
      printResult(context, options, result, () => `nothing is at ${target} any more`);
    });
}

export function flistPsCommand(context: CommandContext): Command {
  return storeSubcommand('ps', 'List what is mounted.').action(async (options: StoreOptions) => {
    const mounts = await new ImageStore(context, options).list();
    const result = { schema: 'grid.flist.ps.1', mounts };
    printResult(context, options, result, () => describeMounts(mounts));
  });
}

/** Mounts an flist of the repository. */
export async function mounted(
  context: CommandContext,
  options: StoreOptions,
  name: string,
  request: Readonly<Record<string, unknown>>,
): Promise<MountRecord> {
  const store = new ImageStore(context, options);
  const { digest, reader } = await findFlist(context, options, name);
  const flist = name.endsWith('.flist') ? resolve(name) : resolve(reader.flistPath(digest));
  await store.start();
  return store.ask<MountRecord>('mount', { ...request, flist });
}

/** @throws GRID_ROOT_NEEDED */
export function requireRoot({ environment }: CommandContext): void {
  if (environment.isRoot) return;
  throw new GridError<GridErrorCode>('GRID_ROOT_NEEDED', 'only root can mount', {
    hint: 'run it as root',
  });
}

function describeMounts(mounts: readonly MountRecord[]): string {
  if (mounts.length === 0) return 'nothing is mounted';
  return formatTable(
    mounts.map(({ digest, target, mode, writableFolder, mountedAtMs }) => [
      ...[shortDigest(digest), mode],
      ...[writableFolder === undefined ? 'read-only' : 'writable', formatTime(mountedAtMs), target],
    ]),
  );
}

function notMounted(folder: string): GridError<GridErrorCode> {
  return new GridError('GRID_FLIST_PATH', `no flist is mounted at ${folder}`, {
    hint: 'grid flist ps',
    details: { folder },
  });
}
