import { GridError } from '@commongrid/base';
import type { FlistErrorCode } from '../errors.ts';
import { shownText } from './byte-text.ts';
import type { ByteText } from './byte-text.ts';
import { checkInode, checkName } from './check-inode.ts';
import type { NewNode } from './check-inode.ts';
import type { Directory, Inode, InodeBase } from './inode.ts';
import { namesOf, resolvePath, rootPath } from './resolve-path.ts';
import type { Place } from './resolve-path.ts';
import {
  depthMax,
  flistBytesMax,
  followedNamesMax,
  inodesMax,
  namesMax,
  tooLarge,
  xattrsMax,
} from './tree-limits.ts';

/** Each at most what the format allows, which is the default. */
export interface TreeLimits {
  readonly inodesMax?: number;
  readonly namesMax?: number;
  readonly depthMax?: number;
  readonly xattrsMax?: number;
  /** Names in the targets of symlinks that are followed, in all. */
  readonly followedNamesMax?: number;
  /** Bytes of names, targets, attributes and hashes together, with what surrounds them. */
  readonly bytesMax?: number;
}

/**
 * Puts a tree together, in any order and layer on layer. Paths are names between slashes, relative
 * to the root; empty names and `.` in them say nothing, `..` is refused. A symlink on the way to a
 * path is followed inside the root. What it holds is bounded by its limits at any time; after
 * FLIST_TOO_LARGE it is of no further use.
 */
export class TreeBuilder {
  readonly #limits: Required<TreeLimits>;
  #root: Draft = { ...newFolder, entries: new Map() };
  /** Of inodes that have several names: how many. */
  readonly #links = new Map<Inode, number>();
  #inodes = 1;
  #names = 0;
  #xattrs = 0;
  #followedNames = 0;
  #bytes = inodeOverheadBytes;

  constructor(limits: TreeLimits = {}) {
    this.#limits = {
      inodesMax,
      namesMax,
      depthMax,
      xattrsMax,
      followedNamesMax,
      bytesMax: flistBytesMax,
      ...limits,
    };
  }

  /**
   * Gives a path an inode. Missing folders on the way are made, root:root 0755 at time 0. What was
   * there goes, but a directory that is put on a directory keeps its entries.
   * @throws FLIST_NOT_DIRECTORY, FLIST_LINK_LOOP, FLIST_TOO_LARGE, FLIST_NAME_INVALID,
   * FLIST_NODE_INVALID, FLIST_ID_OUT_OF_RANGE, FLIST_XATTR_FORBIDDEN
   */
  put(path: ByteText, node: NewNode): void {
    const sorted = { ...node, xattrs: sortedXattrs(node) };
    checkInode(sorted, () => shownText(path));
    const place = this.#resolve(path);
    if (place.name === undefined) {
      if (sorted.kind !== 'directory') throw notDirectory(path);
      this.#uncountInode(this.#root);
      this.#countInode(path, sorted);
      this.#root = { ...sorted, entries: this.#root.entries };
      return;
    }
    const parent = this.#makeParents(path, place);
    const old = parent.entries.get(place.name);
    if (sorted.kind !== 'directory') {
      if (old !== undefined) this.#remove(parent, place.name, old);
      this.#add(parent, place.name, sorted);
      return;
    }
    const entries = old?.kind === 'directory' ? old.entries : new Map<ByteText, DraftInode>();
    if (old?.kind === 'directory') this.#forgetName(place.name, old);
    else if (old !== undefined) this.#remove(parent, place.name, old);
    this.#add(parent, place.name, { ...sorted, entries });
  }

  /**
   * Gives the inode of `target` another name, a hard link.
   * @throws FLIST_LINK_BROKEN when `target` is missing or a directory, and as `put`
   */
  link(path: ByteText, target: ByteText): void {
    const inode = this.#lookUp(target);
    if (inode === undefined || inode.kind === 'directory') throw brokenLink(path, target);
    const place = this.#resolve(path);
    if (place.name === undefined) throw notDirectory(path);
    const parent = this.#makeParents(path, place);
    const old = parent.entries.get(place.name);
    if (old === inode) return;
    // First the new name: the last other one may be in the folder that goes.
    this.#links.set(inode, (this.#links.get(inode) ?? 1) + 1);
    if (old !== undefined) this.#remove(parent, place.name, old);
    this.#countName(place.name);
    parent.entries.set(place.name, inode);
  }

  /** Takes away what has the path, and all below it. Nothing there is no error. */
  remove(path: ByteText): void {
    const place = this.#resolve(path);
    if (place.name === undefined) throw notDirectory(path);
    const parent = place.steps.at(-1)?.directory;
    const old = parent?.entries.get(place.name);
    if (parent !== undefined && old !== undefined) this.#remove(parent, place.name, old);
  }

  /** Empties a directory. Nothing there, or something else, is no error. */
  clear(path: ByteText): void {
    const directory = this.#lookUp(path);
    if (directory?.kind !== 'directory') return;
    for (const [name, inode] of directory.entries) this.#remove(directory, name, inode);
  }

  /** What has the path; a symlink at its end is not followed. */
  get(path: ByteText): NewNode | undefined {
    return this.#lookUp(path);
  }

  /** The path without symlinks, `.` and needless slashes; the root is empty. It need not be there. */
  realPath(path: ByteText): ByteText {
    const { steps, name } = this.#resolve(path);
    const names = steps.slice(1).map((step) => step.name);
    return [...names, ...(name === undefined ? [] : [name])].join('/') as ByteText;
  }

  /** The tree as it is now, sorted. The builder can go on. */
  finish(): Directory {
    const root: Draft = { ...this.#root, entries: new Map() };
    const pending: [from: Draft, to: Draft][] = [[this.#root, root]];
    for (let pair = pending.pop(); pair !== undefined; pair = pending.pop()) {
      const [from, to] = pair;
      for (const name of [...from.entries.keys()].sort()) {
        const inode = from.entries.get(name);
        if (inode?.kind === 'directory') {
          const copy = { ...inode, entries: new Map() };
          pending.push([inode, copy]);
          to.entries.set(name, copy);
        } else if (inode !== undefined) {
          to.entries.set(name, inode);
        }
      }
    }
    return root;
  }

  #resolve(path: ByteText): Place<Draft> {
    const names = namesOf(path);
    for (const name of names) checkName(name);
    const place = resolvePath(this.#root, path);
    // A few bytes of an archive can have thousands of names looked up, and there are many of them.
    this.#followedNames += place.followedNames;
    const limit = this.#limits.followedNamesMax;
    if (this.#followedNames > limit) throw tooLarge('names to follow links by', limit, path);
    return place;
  }

  #lookUp(path: ByteText): DraftInode | undefined {
    const { steps, name } = this.#resolve(path);
    return name === undefined ? this.#root : steps.at(-1)?.directory?.entries.get(name);
  }

  /** The folder that a path's last name is in, made where it is missing. */
  #makeParents(path: ByteText, { steps }: Place<Draft>): Draft {
    // The name itself is one more than the folders above it, of which the root has none.
    if (steps.length > this.#limits.depthMax) {
      throw tooLarge('names one in another', this.#limits.depthMax, path);
    }
    if (steps.some((step) => step.isBlocked)) throw notDirectory(path);
    let parent = this.#root;
    for (const { name, directory } of steps.slice(1)) {
      const next = directory ?? { ...newFolder, entries: new Map() };
      if (directory === undefined) this.#add(parent, name, next);
      parent = next;
    }
    return parent;
  }

  #add(parent: Draft, name: ByteText, inode: DraftInode): void {
    this.#countInode(name, inode);
    this.#countName(name);
    parent.entries.set(name, inode);
  }

  #countName(name: ByteText): void {
    const limits = this.#limits;
    this.#names++;
    this.#bytes += name.length + nameOverheadBytes;
    if (this.#names > limits.namesMax) throw tooLarge('names', limits.namesMax, name);
    if (this.#bytes > limits.bytesMax) throw tooLarge('bytes', limits.bytesMax, name);
  }

  #countInode(name: ByteText, inode: NewNode): void {
    const limits = this.#limits;
    this.#inodes++;
    this.#xattrs += inode.xattrs.length;
    this.#bytes += sizeOf(inode);
    if (this.#inodes > limits.inodesMax) throw tooLarge('inodes', limits.inodesMax, name);
    if (this.#xattrs > limits.xattrsMax) throw tooLarge('attributes', limits.xattrsMax, name);
    if (this.#bytes > limits.bytesMax) throw tooLarge('bytes', limits.bytesMax, name);
  }

  #uncountInode(inode: NewNode): void {
    this.#inodes--;
    this.#xattrs -= inode.xattrs.length;
    this.#bytes -= sizeOf(inode);
  }

  #remove(parent: Draft, name: ByteText, inode: DraftInode): void {
    parent.entries.delete(name);
    const pending: [ByteText, DraftInode][] = [[name, inode]];
    for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
      const [gone, goneInode] = next;
      this.#forgetName(gone, goneInode);
      if (goneInode.kind === 'directory') {
        for (const entry of goneInode.entries) pending.push(entry);
      }
    }
  }

  #forgetName(name: ByteText, inode: DraftInode): void {
    this.#names--;
    this.#bytes -= name.length + nameOverheadBytes;
    const others = (this.#links.get(inode) ?? 1) - 1;
    if (others > 1) this.#links.set(inode, others);
    else this.#links.delete(inode);
    if (others === 0) this.#uncountInode(inode);
  }
}

/** A directory that still changes. */
interface Draft extends InodeBase {
  readonly kind: 'directory';
  readonly entries: Map<ByteText, DraftInode>;
}

type DraftInode = Exclude<Inode, Directory> | Draft;

const newFolder: Omit<Directory, 'entries'> = {
  kind: 'directory',
  mode: 0o755,
  uid: 0,
  gid: 0,
  mtimeNs: 0n,
  xattrs: [],
};

/** What an flist needs for an inode and for a name beyond the bytes that they have, at most. */
const inodeOverheadBytes = 48;
const nameOverheadBytes = 8;
const xattrOverheadBytes = 8;

function sizeOf(node: NewNode): number {
  let size = inodeOverheadBytes;
  for (const { name, value } of node.xattrs)
    size += name.length + value.length + xattrOverheadBytes;
  if (node.kind === 'file') return size + node.chunkHashes.length;
  return node.kind === 'symlink' ? size + node.target.length : size;
}

function sortedXattrs({ xattrs }: NewNode): NewNode['xattrs'] {
  if (xattrs.length < 2) return xattrs;
  return xattrs.toSorted((a, b) => (a.name < b.name ? -1 : Number(a.name > b.name)));
}

function notDirectory(path: ByteText): GridError<FlistErrorCode> {
  const shown = shownText(path);
  const message =
    path === rootPath
      ? 'the root of an image is a directory and stays'
      : `"${shown}" goes through what is no directory, or needs one`;
  return new GridError('FLIST_NOT_DIRECTORY', message, { details: { path: shown } });
}

function brokenLink(path: ByteText, target: ByteText): GridError<FlistErrorCode> {
  const [shown, to] = [shownText(path), shownText(target)];
  return new GridError('FLIST_LINK_BROKEN', `"${shown}" is a hard link to "${to}", no file`, {
    details: { path: shown, target: to },
  });
}
