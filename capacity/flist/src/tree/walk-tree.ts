import type { ByteText } from './byte-text.ts';
import type { Directory, Inode } from './inode.ts';
import { rootPath } from './resolve-path.ts';

/** A name in a tree, and what it names. */
export interface WalkedName {
  /** From the root, whose own path is empty. */
  readonly path: ByteText;
  readonly inode: Inode;
  /** False for the further names of an inode with several. */
  readonly isFirstName: boolean;
}

/** All names of a tree, each folder before what is in it, names in their order. */
export function* walkTree(root: Directory): Generator<WalkedName, void, void> {
  const seen = new Set<Inode>();
  yield { path: rootPath, inode: root, isFirstName: true };
  const open: [prefix: string, entries: Iterator<[ByteText, Inode]>][] = [['', iterate(root)]];
  for (let top = open.at(-1); top !== undefined; top = open.at(-1)) {
    const [prefix, entries] = top;
    const next = entries.next();
    if (next.done === true) {
      open.pop();
      continue;
    }
    const [name, inode] = next.value;
    const path = `${prefix}${name}` as ByteText;
    const isDirectory = inode.kind === 'directory';
    const isFirstName = isDirectory || !seen.has(inode);
    if (!isDirectory) seen.add(inode);
    yield { path, inode, isFirstName };
    if (isDirectory) open.push([`${path}/`, iterate(inode)]);
  }
}

function iterate({ entries }: Directory): Iterator<[ByteText, Inode]> {
  return entries[Symbol.iterator]();
}
