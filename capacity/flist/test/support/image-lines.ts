import { createHash } from 'node:crypto';

import { shownText } from '../../src/tree/byte-text.ts';
import type { Directory, Inode } from '../../src/tree/inode.ts';
import { walkTree } from '../../src/tree/walk-tree.ts';

/** A line for each name with all that an image says of it. */
export function linesOf(root: Directory): string[] {
  const firstNames = new Map<Inode, string>();
  const lines: string[] = [];
  for (const { path, inode, isFirstName } of walkTree(root)) {
    // Nobody said when the root was changed: umoci takes the time of the unpacking.
    if (path === '') continue;
    const shown = shownText(path);
    if (isFirstName) firstNames.set(inode, shown);
    const { kind, mode, uid, gid, mtimeNs, xattrs } = inode;
    const attributes = xattrs.map(
      ({ name, value }) => `${name}=${Buffer.from(value).toString('hex')}`,
    );
    const own =
      kind === 'file'
        ? `${inode.sizeBytes} ${createHash('sha256').update(inode.chunkHashes).digest('hex')}`
        : kind === 'symlink'
          ? inode.target
          : 'major' in inode
            ? `${inode.major}:${inode.minor}`
            : '';
    const first = firstNames.get(inode);
    lines.push(
      [shown, kind, mode.toString(8), uid, gid, mtimeNs, own, first, ...attributes].join(' '),
    );
  }
  return lines;
}
