import type { Directory, RegularFile } from '../tree/inode.ts';
import { walkTree } from '../tree/walk-tree.ts';

/** The files of a tree, each once. */
export function* filesOf(root: Directory): Generator<RegularFile, void> {
  for (const { inode, isFirstName } of walkTree(root)) {
    if (isFirstName && inode.kind === 'file') yield inode;
  }
}
