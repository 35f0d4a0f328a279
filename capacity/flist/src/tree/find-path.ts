import type { ByteText } from './byte-text.ts';
import type { Directory, Inode } from './inode.ts';
import { resolvePath } from './resolve-path.ts';
import type { ResolveOptions } from './resolve-path.ts';

/**
 * What has a path in a tree. Symlinks on the way are followed inside the root; one at its end
 * where `followLinks` says so (default false).
 * @throws FLIST_LINK_LOOP, FLIST_NAME_INVALID
 */
export function findPath(
  root: Directory,
  path: ByteText,
  options: ResolveOptions = {},
): Inode | undefined {
  const { steps, name } = resolvePath(root, path, options);
  return name === undefined ? root : steps.at(-1)?.directory?.entries.get(name);
}
