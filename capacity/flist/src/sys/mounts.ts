import { open } from 'node:fs/promises';
import { join } from 'node:path';

import { firstDescriptor } from '@commongrid/base';

import { runProgram } from './run-program.ts';
import { mountFlags, systemCalls } from './system-calls.ts';

/**
 * Mounts an EROFS image read-only: the file itself, or where the kernel wants a block device through
 * a loop device, which goes when it is unmounted.
 */
export async function mountErofs(
  imagePath: string,
  target: string,
  calls = systemCalls(),
): Promise<void> {
  const flags = mountFlags.readOnly | mountFlags.noDevices;
  if (calls?.mount({ source: imagePath, target, type: 'erofs', flags }) === true) return;
  await runProgram('mount', ['-i', '-t', 'erofs', '-o', 'loop,ro,nodev', imagePath, target]);
}

/** Unmounts what `mountErofs` mounted. @throws FLIST_MOUNT_FAILED */
export async function unmountErofs(target: string): Promise<void> {
  if (systemCalls()?.unmount(target) !== true) await unmount(target);
}

export interface OverlayLayers {
  /** Folder that the paths of the layers begin at. */
  readonly folder: string;
  /** Relative paths, the topmost first. */
  readonly lower: readonly string[];
  /** Relative paths of layers whose content is found by redirects only. */
  readonly data?: readonly string[];
  /** Folders for what is written, both on one file system. Without them it is read-only. */
  readonly upper?: { readonly upperFolder: string; readonly workFolder: string } | undefined;
}

/**
 * Mounts an overlay. Options are one text in which commas, colons and backslashes mean something,
 * to mount and kernel differently from version to version, so none ever has a path: folders are
 * descriptors.
 */
export async function mountOverlay(
  layers: OverlayLayers,
  target: string,
  calls = systemCalls(),
): Promise<void> {
  const { folder, lower, data = [], upper } = layers;
  await using opened = new AsyncDisposableStack();
  const descriptors: number[] = [];
  const take = async (path: string): Promise<number> => {
    const { fd } = opened.use(await open(path, 'r'));
    return descriptors.push(fd) - 1;
  };
  const places: OverlayPlaces = { lower: [], data: [], upper: [] };
  for (const path of lower) places.lower.push(await take(join(folder, path)));
  for (const path of data) places.data.push(await take(join(folder, path)));
  if (upper !== undefined) {
    for (const path of [upper.upperFolder, upper.workFolder]) places.upper.push(await take(path));
  }
  const flags = upper === undefined ? mountFlags.readOnly : 0n;
  const options = overlayOptions(places, (place) => descriptors[place] ?? -1);
  const call = { source: 'flist', target, type: 'overlay', flags, options };
  if (calls?.mount(call) === true) return;
  const own = overlayOptions(places, (place) => place + firstDescriptor);
  const access = upper === undefined ? 'ro' : 'rw';
  const args = ['-i', '-t', 'overlay', '-o', `${access},${own}`, 'flist', target];
  await runProgram('mount', args, { descriptors });
}

/** Which of the descriptors that are given is what. */
interface OverlayPlaces {
  readonly lower: number[];
  readonly data: number[];
  /** Folder for what is written, folder to work in. */
  readonly upper: number[];
}

function overlayOptions(
  { lower, data, upper }: OverlayPlaces,
  descriptorAt: (place: number) => number,
): string {
  const path = (place: number): string => `/proc/self/fd/${descriptorAt(place)}`;
  const lowerdir = [lower.map(path).join(':'), ...data.map(path)].join('::');
  const [upperPlace, workPlace] = upper;
  return [
    ...['metacopy=on', 'redirect_dir=on', 'index=off', 'xino=auto', `lowerdir=${lowerdir}`],
    ...(upperPlace === undefined ? [] : [`upperdir=${path(upperPlace)}`]),
    ...(workPlace === undefined ? [] : [`workdir=${path(workPlace)}`]),
  ].join(',');
}

/** Shows a folder at another place too, read-only. */
export async function mountBind(source: string, target: string): Promise<void> {
  await runProgram('mount', ['-i', '--bind', source, target]);
  try {
    await runProgram('mount', ['-i', '-o', 'remount,bind,ro', target]);
  } catch (error) {
    await unmount(target);
    throw error;
  }
}

/** Mounts what the process that reads `fd`, which is /dev/fuse, answers for. */
export async function mountFuse(fd: number, target: string): Promise<void> {
  const options = [
    'ro',
    'fd=3',
    'rootmode=40000',
    'user_id=0',
    'group_id=0',
    'allow_other',
    'default_permissions',
  ];
  const args = ['-i', '-t', 'fuse.flist', '-o', options.join(','), 'flist', target];
  await runProgram('mount', args, { descriptors: [fd] });
}

export interface UnmountOptions {
  /** Takes it out of sight at once; the kernel ends it when nobody uses it any more. */
  readonly isLazy?: boolean;
}

/** @throws FLIST_MOUNT_FAILED when it is in use, or nothing is mounted there */
export async function unmount(
  target: string,
  { isLazy = false }: UnmountOptions = {},
): Promise<void> {
  // Looking at the path could ask a server that is dead.
  await runProgram('umount', ['-i', '-c', ...(isLazy ? ['-l'] : []), target]);
}
