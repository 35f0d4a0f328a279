import { mkdir } from 'node:fs/promises';
import { resolve } from 'node:path';

import {
  errorCode,
  GridError,
  isGridError,
  shutdownSignal,
  throwIfAborted,
} from '@commongrid/base';
import type { MountRecord } from '@commongrid/flist';
import { InvalidArgumentError, Option } from 'commander';
import type { Command } from 'commander';

import { printResult } from '../../command-context.ts';
import type { CommandContext } from '../../command-context.ts';
import type { GridErrorCode } from '../../errors.ts';
import { counted, formatTable, withProgress } from '../../terminal.ts';
import { formatTime } from '../bcdb/options.ts';
import { findImage, flistArgument } from './find-image.ts';
import type { FoundImage } from './find-image.ts';
import { ImageStore, storeSubcommand } from './image-store.ts';
import type { ListedMount, StoreOptions } from './image-store.ts';
import { shortDigest } from './local-repository.ts';

type MountOptions = StoreOptions & {
  readonly writable?: string;
  readonly mode?: 'overlay' | 'tree';
  readonly whenDamaged?: 'report' | 'remount';
  readonly shift?: number;
};

export function flistMountCommand(context: CommandContext): Command {
  return storeSubcommand('mount', 'Show an flist as a folder; what is read is fetched.')
    .argument('<flist>', flistArgument)
    .argument('<folder>', 'where; made when missing')
    .option('--writable <folder>', 'keeps what is written over it; default: read-only')
    .option('--shift <id>', 'add this to all owners and groups, for user namespaces', parseShift)
    .addOption(
      new Option('--mode <mode>', 'default: what the kernel can').choices(['overlay', 'tree']),
    )
    .addOption(
      new Option('--when-damaged <what>', 'a scrub finds damage: default report').choices([
        'report',
        'remount',
      ]),
    )
    .action(async (name: string, folder: string, options: MountOptions) => {
      requireRoot(context);
      const signal = shutdownSignal();
      const { writable, mode, shift = 0, whenDamaged } = options;
      const target = resolve(folder);
      const writableFolder = writable === undefined ? undefined : resolve(writable);
      if (writableFolder !== undefined) checkApart(target, writableFolder);
      const image = await findImage(context, options, name);
      for (const path of [target, writableFolder]) if (path !== undefined) await makeFolder(path);
      const work = mounted(context, options, image, {
        ...(writableFolder === undefined ? {} : { writableFolder }),
        ...(mode === undefined ? {} : { mode }),
        ...(whenDamaged === undefined ? {} : { whenDamaged }),
        ...{ target, uidShift: shift, gidShift: shift },
      });
      const record = await withProgress(context.terminal, `mounting ${name}`, work);
      if (signal.aborted) {
        // Whoever stopped the command does not expect a mount.
        await unmount(new ImageStore(context, options), target);
        throwIfAborted(signal);
      }
      printResult(context, options, record, () => {
        return `${shortDigest(record.digest)} is at ${record.target} (${record.mode})`;
      });
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
      await unmount(store, target);
      const result = { schema: 'grid.flist.umount.1', target };
      printResult(context, options, result, () => `nothing is at ${target} any more`);
    });
}

export function flistRemountCommand(context: CommandContext): Command {
  return storeSubcommand('remount', 'Mount anew what had damaged content, or lost its service.')
    .argument('[folder]', 'where it is; default: what lost its service, as far as nobody uses it')
    .action(async (folder: string | undefined, options: StoreOptions) => {
      requireRoot(context);
      const store = new ImageStore(context, options);
      // A service begins with what was lost.
      if ((await store.countLost()) > 0) {
        const nothing = async (): Promise<void> => {};
        await withProgress(context.terminal, 'mounting again', store.withService(nothing));
      }
      if (folder !== undefined) {
        const target = resolve(folder);
        const mount = (await store.list()).find((one) => one.target === target);
        if (mount === undefined) throw notMounted(folder);
        await store.ask('remount', { id: mount.id }).catch((cause: unknown) => {
          throw inUse(target, cause);
        });
      }
      const mounts = await store.list();
      const result = { schema: 'grid.flist.ps.1', mounts, lost: 0 };
      printResult(context, options, result, () => describeMounts(mounts));
    });
}

export function flistPsCommand(context: CommandContext): Command {
  return storeSubcommand('ps', 'List what is mounted.').action(async (options: StoreOptions) => {
    const store = new ImageStore(context, options);
    const mounts = await store.list();
    const lost = await store.countLost();
    if (lost > 0) {
      context.terminal.note(`${counted(lost, 'mount')} lost the service: grid flist remount`);
    }
    const result = { schema: 'grid.flist.ps.1', mounts, lost };
    printResult(context, options, result, () => describeMounts(mounts));
  });
}

/** Takes a mount away, and ends the service when it was the last. @throws GRID_FLIST_IN_USE */
async function unmount(store: ImageStore, target: string): Promise<void> {
  await store.unmount({ target }).catch((cause: unknown) => {
    throw inUse(target, cause);
  });
}

/** The error as it is, or what to do when a mount was busy. */
function inUse(target: string, cause: unknown): unknown {
  if (!isGridError(cause, 'FLIST_MOUNT_FAILED') || !/busy/i.test(cause.message)) return cause;
  return new GridError<GridErrorCode>('GRID_FLIST_IN_USE', `${target} is in use by a program`, {
    hint: `end what fuser -vm ${target} lists, or leave the folder`,
    details: { target },
    cause,
  });
}

/** What is written to a mount must not be kept in it. @throws GRID_USAGE */
function checkApart(target: string, writable: string): void {
  if (!`${writable}/`.startsWith(`${target}/`) && !`${target}/`.startsWith(`${writable}/`)) return;
  throw new GridError<GridErrorCode>('GRID_USAGE', `${target} and ${writable} are not apart`, {
    hint: 'give --writable a folder that is not in the mount, nor around it',
  });
}

/** @throws GRID_FLIST_PATH when a file is there */
async function makeFolder(path: string): Promise<void> {
  await mkdir(path, { recursive: true }).catch((cause: unknown) => {
    if (errorCode(cause) !== 'EEXIST' && errorCode(cause) !== 'ENOTDIR') throw cause;
    throw new GridError<GridErrorCode>('GRID_FLIST_PATH', `${path} is no folder`, {
      hint: 'give an empty folder, or one that is not there yet',
      details: { path },
      cause,
    });
  });
}

/** Mounts an image; a service that was started for nothing is ended. */
export async function mounted(
  context: CommandContext,
  options: StoreOptions,
  { at }: FoundImage,
  request: Readonly<Record<string, unknown>>,
): Promise<MountRecord> {
  const store = new ImageStore(context, options);
  const mount = (flist: string): Promise<MountRecord> =>
    store.ask<MountRecord>('mount', { ...request, flist });
  return store.withService(() =>
    'path' in at ? mount(at.path) : store.withFile(at.packed, mount),
  );
}

/** @throws GRID_ROOT_NEEDED */
export function requireRoot({ environment }: CommandContext, work = 'mount'): void {
  if (environment.isRoot) return;
  throw new GridError<GridErrorCode>('GRID_ROOT_NEEDED', `only root can ${work}`, {
    hint: 'run it as root',
  });
}

function parseShift(text: string): number {
  if (/^\d{1,10}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('give a whole number');
}

function describeMounts(mounts: readonly ListedMount[]): string {
  if (mounts.length === 0) return 'nothing is mounted';
  return formatTable(
    mounts.map(({ digest, target, mode, writableFolder, mountedAtMs, isTainted }) => [
      ...[shortDigest(digest), mode],
      ...[writableFolder === undefined ? 'read-only' : 'writable', formatTime(mountedAtMs), target],
      isTainted ? `content was damaged: grid flist remount ${target}` : '',
    ]),
  );
}

function notMounted(folder: string): GridError<GridErrorCode> {
  return new GridError('GRID_FLIST_PATH', `no flist is mounted at ${folder}`, {
    hint: 'grid flist ps',
    details: { folder },
  });
}
