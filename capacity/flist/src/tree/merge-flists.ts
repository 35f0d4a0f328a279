import type { Flist } from '../format/flist.ts';
import type { ByteText } from './byte-text.ts';
import type { Inode } from './inode.ts';
import { TreeBuilder } from './tree-builder.ts';
import type { TreeLimits } from './tree-builder.ts';
import { walkTree } from './walk-tree.ts';

/**
 * Lays images on each other: of one path the last has it, and directories have the entries of all.
 * A file over a directory replaces it, and the other way round. Names of one inode in one image stay
 * names of one inode. The config is that of the last that has one; no trace is left, as nobody
 * recorded one of the whole. An flist names no other one, so a merge of merges has no circle.
 * @throws FLIST_TOO_LARGE
 */
export function mergeFlists(flists: readonly Flist[], limits: TreeLimits = {}): Flist {
  const builder = new TreeBuilder(limits);
  for (const { root } of flists) {
    const firstPaths = new Map<Inode, ByteText>();
    // A folder comes before what is in it, so no symlink of a lower image is ever followed.
    for (const { path, inode, isFirstName } of walkTree(root)) {
      const firstPath = isFirstName ? undefined : firstPaths.get(inode);
      if (firstPath === undefined) builder.put(path, inode);
      else builder.link(path, firstPath);
      if (isFirstName && inode.kind !== 'directory') firstPaths.set(inode, path);
    }
  }
  const config = flists.findLast((flist) => flist.config !== undefined)?.config;
  return { root: builder.finish(), ...(config === undefined ? {} : { config }) };
}
