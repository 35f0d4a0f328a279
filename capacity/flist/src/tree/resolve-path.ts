import { GridError } from '@commongrid/base';
import type { FlistErrorCode } from '../errors.ts';
import { byteTextFrom, shownText } from './byte-text.ts';
import type { ByteText } from './byte-text.ts';
import { checkName } from './check-inode.ts';
import type { Directory, Inode } from './inode.ts';

/** Symlinks that are followed for one path, as in Linux. */
const linkHopsMax = 40;

/** Names that are stepped over for one path, those of followed links included. */
const pathStepsMax = 4_096;

/** A folder on the way to a path. `directory` is undefined when there is none of that name. */
export interface Step<D extends Directory> {
  readonly name: ByteText;
  readonly directory: D | undefined;
  /** Something else has the name of the folder. */
  readonly isBlocked: boolean;
}

/** Where a path leads: the folders from the root on, and the name in the last of them. */
export interface Place<D extends Directory> {
  /** The first is the root, whose name is empty. */
  readonly steps: readonly [Step<D>, ...Step<D>[]];
  /** Undefined when the path is the root. */
  readonly name: ByteText | undefined;
  /** Names in the targets of links that were followed: the work that links made. */
  readonly followedNames: number;
}

export interface ResolveOptions {
  /** Follow a symlink that the path ends in, too. */
  readonly followLinks?: boolean;
}

/**
 * Follows the symlinks on the way to a path without ever leaving the root: an absolute target
 * begins there, and `..` of the root is the root. A folder that is missing is taken for an empty
 * one, so that what a link leads to can be made.
 * @throws FLIST_LINK_LOOP, FLIST_NAME_INVALID
 */
export function resolvePath<D extends Directory>(
  root: D,
  path: ByteText,
  { followLinks = false }: ResolveOptions = {},
): Place<D> {
  const first: Step<D> = { name: rootPath, directory: root, isBlocked: false };
  const below: Step<D>[] = [];
  /** What is still to be stepped over, the next one last. */
  const todo = namesOf(path).reverse();
  let hops = 0;
  let steps = 0;
  let followedNames = 0;
  for (let name = todo.pop(); name !== undefined; name = todo.pop()) {
    if (++steps > pathStepsMax) throw linkLoop(path);
    if (name === '..') {
      below.pop();
      continue;
    }
    checkName(name);
    const { directory } = below.at(-1) ?? first;
    const inode = directory?.entries.get(name);
    const isLast = todo.length === 0;
    if (inode?.kind === 'symlink' && (!isLast || followLinks)) {
      if (++hops > linkHopsMax) throw linkLoop(path);
      if (inode.target.startsWith('/')) below.length = 0;
      const names = namesOf(inode.target).reverse();
      followedNames += names.length;
      todo.push(...names);
      continue;
    }
    if (isLast) return { steps: [first, ...below], name, followedNames };
    below.push(stepTo(name, inode));
  }
  // It ended in a folder that it came to by `..` or by a link: that one, named in its parent.
  const last = below.pop();
  return { steps: [first, ...below], name: last?.name, followedNames };
}

/** The path of the root itself. */
export const rootPath: ByteText = byteTextFrom('');

/** The names of a path; empty ones and `.` say nothing. */
export function namesOf(path: ByteText): ByteText[] {
  return path.split('/').filter((name) => name !== '' && name !== '.') as ByteText[];
}

/** What is below a directory of a kind of tree are directories of that kind. */
function stepTo<D extends Directory>(name: ByteText, inode: Inode | undefined): Step<D> {
  const directory = inode?.kind === 'directory' ? (inode as D) : undefined;
  return { name, directory, isBlocked: inode !== directory };
}

function linkLoop(path: ByteText): GridError<FlistErrorCode> {
  const shown = shownText(path);
  return new GridError('FLIST_LINK_LOOP', `"${shown}" leads in a circle or too far`, {
    details: { path: shown, linkHopsMax, pathStepsMax },
  });
}
