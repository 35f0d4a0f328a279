import { GridError } from '@commongrid/base';

import type { FlistErrorCode } from '../errors.ts';
import { shownText } from '../tree/byte-text.ts';
import type { ByteText } from '../tree/byte-text.ts';
import { checkName } from '../tree/check-inode.ts';
import { namesOf } from '../tree/resolve-path.ts';
import type { TreeBuilder } from '../tree/tree-builder.ts';
import type { LayerItem } from './read-layer.ts';

/** Names of a layer that say what of lower layers goes begin so. */
export const whiteoutPrefix = '.wh.';

/** In a directory: nothing of lower layers stays in it. */
const opaqueName = '.wh..wh..opq';

/** Others that aufs kept for itself. */
const aufsPrefix = '.wh..wh.';

/**
 * Puts a layer on those below it, as the image specification of OCI says. Whiteouts concern lower
 * layers only, wherever in their own layer they stand, so they come first:
 * 1. what they name goes, and what is in opaque directories;
 * 2. the entries are put, in their order; a directory that is there keeps what it has;
 * 3. what a hard link of this layer had to be made of, and a whiteout names, goes.
 * @throws FLIST_NAME_INVALID, FLIST_LINK_BROKEN and the others of TreeBuilder
 */
export function applyLayer(builder: TreeBuilder, items: readonly LayerItem[]): void {
  const { whiteouts, entries } = sorted(items);
  const late = hide(builder, whiteouts, entries);
  putAll(builder, entries);
  for (const path of late) builder.remove(path);
}

/** Puts the entries of a tar as they stand, whatever their names mean in layers. */
export function putAll(builder: TreeBuilder, items: readonly LayerItem[]): void {
  for (const { path, node } of items) {
    if (typeof node === 'string') builder.link(path, node);
    else builder.put(path, node);
  }
}

interface Whiteout {
  readonly folder: readonly ByteText[];
  /** Undefined for an opaque directory. */
  readonly name: ByteText | undefined;
}

function sorted(items: readonly LayerItem[]): {
  readonly whiteouts: readonly Whiteout[];
  readonly entries: readonly LayerItem[];
} {
  const whiteouts: Whiteout[] = [];
  const entries: LayerItem[] = [];
  for (const item of items) {
    // Most names have no such part: that is seen without taking them apart.
    const names = item.path.includes(whiteoutPrefix) ? namesOf(item.path) : [];
    const last = names.at(-1);
    if (names.some((name) => name.startsWith(aufsPrefix) && name !== opaqueName)) continue;
    if (last === undefined || !names.some((name) => name.startsWith(whiteoutPrefix))) {
      entries.push(item);
      continue;
    }
    const folder = names.slice(0, -1);
    if (folder.some((name) => name.startsWith(whiteoutPrefix))) {
      throw badWhiteout(item.path);
    }
    if (last !== opaqueName) checkName(last.slice(whiteoutPrefix.length) as ByteText);
    const name = last === opaqueName ? undefined : last.slice(whiteoutPrefix.length);
    whiteouts.push({ folder, name: name as ByteText | undefined });
  }
  return { whiteouts, entries };
}

/** @returns paths that have to go after the entries were put */
function hide(
  builder: TreeBuilder,
  whiteouts: readonly Whiteout[],
  entries: readonly LayerItem[],
): ByteText[] {
  if (whiteouts.length === 0) return [];
  const replaced = new Set<string>();
  const linked = new Set<string>();
  for (const { path, node } of entries) {
    if (typeof node === 'string') linked.add(plainPath(node));
    else if (node.kind === 'directory') {
      const old = builder.get(path)?.kind;
      if (old !== undefined && old !== 'directory') replaced.add(plainPath(path));
    }
  }
  for (const { path } of entries) linked.delete(plainPath(path));
  const late: ByteText[] = [];
  for (const { folder, name } of whiteouts) {
    // A directory in the place of a file or symlink: there is nothing lower in it, and a symlink
    // would lead to where this whiteout does not belong.
    if (folder.some((_, at) => replaced.has(folder.slice(0, at + 1).join('/')))) continue;
    const path = [...folder, ...(name === undefined ? [] : [name])].join('/') as ByteText;
    if (name === undefined) builder.clear(opaqueFolder(builder, path));
    else if (linked.has(path)) late.push(path);
    else builder.remove(path);
  }
  return late;
}

/** The folder that a whiteout stands in, through a symlink if its path ends in one. */
function opaqueFolder(builder: TreeBuilder, path: ByteText): ByteText {
  if (builder.get(path)?.kind !== 'symlink') return path;
  const inside = builder.realPath(`${path}/x` as ByteText);
  return inside.slice(0, Math.max(0, inside.length - 2)) as ByteText;
}

function plainPath(path: ByteText): string {
  return namesOf(path).join('/');
}

function badWhiteout(path: ByteText): GridError<FlistErrorCode> {
  const shown = shownText(path);
  return new GridError('FLIST_NAME_INVALID', `"${shown}" is below a whiteout`, {
    hint: 'the layer is not made as OCI says: make the image again',
    details: { path: shown },
  });
}
