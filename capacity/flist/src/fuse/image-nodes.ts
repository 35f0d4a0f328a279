import { hash } from 'node:crypto';

import { encodeDevice, modeOf, splitTime } from '../erofs/erofs-inode.ts';
import { shiftedId, shiftedXattrs } from '../erofs/shift-ids.ts';
import type { IdShift } from '../erofs/shift-ids.ts';
import { objectIdOf } from '../format/object-id.ts';
import type { ObjectId } from '../format/object-id.ts';
import { byteTextFrom } from '../tree/byte-text.ts';
import type { ByteText } from '../tree/byte-text.ts';
import type { Directory, Inode, RegularFile, Xattr } from '../tree/inode.ts';
import type { NodeStat } from './fuse-wire.ts';

/** The content of files, as the server of a store gives it. */
export interface ServedObject {
  readonly id: ObjectId;
  readonly nodeId: bigint;
  readonly file: RegularFile;
}

export interface TreeOptions extends IdShift {
  /** Its name below `trees`. */
  readonly name: string;
}

/** A file that is read, and in which tree; undefined for one of the data layer. */
export interface ReadTarget {
  readonly object: ServedObject;
  readonly tree: ImageTree | undefined;
}

const rootId = 1n;
const firstFolderId = 2n;
const folderCount = 256;
const treesId = firstFolderId + BigInt(folderCount);
const objectIds = 1n << 63n;
const treeIds = 1n << 62n;
/** Bits of a node's place in a tree; an image has fewer inodes. */
const treeIndexBits = 21n;

const treesName = byteTextFrom('trees');
const dotName = byteTextFrom('.');
const dotDotName = byteTextFrom('..');

/**
 * What the FUSE file system of a store shows: objects by their ids, `/ab/ab01...`, which are the
 * data layer of all overlays, and whole images, `/trees/NAME/...`, for kernels without data layers.
 *
 * Numbers of nodes come from a secret of the store and from what is shown, never from the order in
 * which it was asked for: a server that takes over from one that died gives the same. The secret
 * keeps makers of images from finding two objects of one number.
 */
export class ImageNodes {
  /** As text of a fixed length. */
  readonly #secret: string;
  readonly #objects = new Map<ObjectId, { object: ServedObject; users: number }>();
  readonly #objectsByNode = new Map<bigint, ServedObject>();
  readonly #trees = new Map<ByteText, ImageTree>();
  readonly #treesByNumber = new Map<bigint, ImageTree>();

  constructor(secret: Uint8Array) {
    this.#secret = Buffer.from(secret).toString('hex');
  }

  /** Shows the objects of an image, until as many `removeObjects`. */
  addObjects(files: Iterable<RegularFile>): void {
    for (const file of files) this.#addObject(file);
  }

  removeObjects(files: Iterable<RegularFile>): void {
    for (const file of files) {
      const known = this.#objects.get(objectIdOf(file));
      if (known === undefined) continue;
      known.users -= 1;
      if (known.users > 0) continue;
      this.#objects.delete(known.object.id);
      this.#objectsByNode.delete(known.object.nodeId);
    }
  }

  /** Shows a whole image at `/trees/NAME`. Its objects have been added. */
  addTree(root: Directory, options: TreeOptions): ImageTree {
    const number = this.#number('tree', options.name) & ((1n << 40n) - 1n);
    assertFree(this.#treesByNumber.get(number));
    const tree = new ImageTree(root, options, treeIds | (number << treeIndexBits));
    this.#trees.set(byteTextFrom(options.name), tree);
    this.#treesByNumber.set(number, tree);
    return tree;
  }

  removeTree(name: string): void {
    const key = byteTextFrom(name);
    const tree = this.#trees.get(key);
    if (tree === undefined) return;
    this.#trees.delete(key);
    this.#treesByNumber.delete(numberOfTree(tree.rootId));
  }

  treeNamed(name: string): ImageTree | undefined {
    return this.#trees.get(byteTextFrom(name));
  }

  lookup(parentId: bigint, name: ByteText): NodeStat | undefined {
    if (parentId === rootId) {
      if (name === treesName) return folderStat(treesId);
      const index = /^[0-9a-f]{2}$/.test(name) ? Number.parseInt(name, 16) : undefined;
      return index === undefined ? undefined : folderStat(firstFolderId + BigInt(index));
    }
    if (parentId < treesId) {
      const object = this.#objects.get(name as string as ObjectId)?.object;
      if (object === undefined || folderOf(object.id) !== parentId) return undefined;
      return objectStat(object);
    }
    if (parentId === treesId) return this.#trees.get(name)?.stat(0);
    const place = this.#placeOf(parentId);
    if (place?.inode.kind !== 'directory') return undefined;
    const found = place.inode.entries.get(name);
    return found === undefined ? undefined : place.tree.statOf(found);
  }

  stat(nodeId: bigint): NodeStat | undefined {
    if (nodeId >= rootId && nodeId <= treesId) return folderStat(nodeId);
    const object = this.#objectsByNode.get(nodeId);
    if (object !== undefined) return objectStat(object);
    const place = this.#placeOf(nodeId);
    return place?.tree.statOf(place.inode);
  }

  /** What `readdir` lists from the n-th name on: all of a tree, of the data layer nothing. */
  *list(nodeId: bigint, first: number): Generator<readonly [ByteText, NodeStat]> {
    const own = this.stat(nodeId);
    if (own === undefined) return;
    const place = this.#placeOf(nodeId);
    const parent = place === undefined ? own : place.tree.parentStat(place.inode);
    if (first <= 0) yield [dotName, own];
    if (first <= 1) yield [dotDotName, parent];
    if (place?.inode.kind !== 'directory') return;
    const names = place.tree.namesOf(place.inode);
    for (let at = Math.max(0, first - 2); at < names.length; at += 1) {
      const [name, inode] = names[at] ?? [dotName, place.inode];
      yield [name, place.tree.statOf(inode)];
    }
  }

  /** A node of a tree as the tree has it. */
  inodeOf(nodeId: bigint): Inode | undefined {
    return this.#placeOf(nodeId)?.inode;
  }

  xattrsOf(nodeId: bigint): readonly Xattr[] {
    const place = this.#placeOf(nodeId);
    return place === undefined ? [] : shiftedXattrs(place.inode, place.tree.options);
  }

  readTarget(nodeId: bigint): ReadTarget | undefined {
    const object = this.#objectsByNode.get(nodeId);
    if (object !== undefined) return { object, tree: undefined };
    const place = this.#placeOf(nodeId);
    if (place?.inode.kind !== 'file') return undefined;
    const known = this.#objects.get(objectIdOf(place.inode));
    return known === undefined ? undefined : { object: known.object, tree: place.tree };
  }

  #addObject(file: RegularFile): void {
    const id = objectIdOf(file);
    const known = this.#objects.get(id);
    if (known !== undefined) {
      known.users += 1;
      return;
    }
    const nodeId = objectIds | (this.#number('object', id) >> 1n);
    assertFree(this.#objectsByNode.get(nodeId));
    const object = { id, nodeId, file };
    this.#objects.set(id, { object, users: 1 });
    this.#objectsByNode.set(nodeId, object);
  }

  #placeOf(nodeId: bigint): { tree: ImageTree; inode: Inode } | undefined {
    if (nodeId < treeIds || nodeId >= objectIds) return undefined;
    const tree = this.#treesByNumber.get(numberOfTree(nodeId));
    const inode = tree?.inodeAt(Number(nodeId & ((1n << treeIndexBits) - 1n)));
    return tree === undefined || inode === undefined ? undefined : { tree, inode };
  }

  #number(kind: string, name: string): bigint {
    return hash('sha256', `${this.#secret} ${kind} ${name}`, 'buffer').readBigUInt64BE(0);
  }
}

/** An image that is shown as a whole. */
export class ImageTree {
  readonly options: TreeOptions;
  readonly rootId: bigint;
  /** In the order of the tree, which is the same for the same image. */
  readonly #inodes: Inode[] = [];
  readonly #places = new Map<Inode, { index: number; linkCount: number; parent: Directory }>();
  /** Names in the order of `readdir`, of directories that were listed. */
  readonly #names = new WeakMap<Directory, readonly (readonly [ByteText, Inode])[]>();

  constructor(root: Directory, options: TreeOptions, treeRootId: bigint) {
    this.options = options;
    this.rootId = treeRootId;
    this.#place(root, root);
    for (let index = 0; index < this.#inodes.length; index += 1) {
      const inode = this.#inodes[index];
      if (inode?.kind !== 'directory') continue;
      for (const entry of inode.entries.values()) this.#place(entry, inode);
    }
  }

  inodeAt(index: number): Inode | undefined {
    return this.#inodes[index];
  }

  indexOf(inode: Inode): number | undefined {
    return this.#places.get(inode)?.index;
  }

  stat(index: number): NodeStat | undefined {
    const inode = this.#inodes[index];
    return inode === undefined ? undefined : this.statOf(inode);
  }

  parentStat(inode: Inode): NodeStat {
    return this.statOf(this.#places.get(inode)?.parent ?? inode);
  }

  statOf(inode: Inode): NodeStat {
    const { index = 0, linkCount = 1 } = this.#places.get(inode) ?? {};
    const isDevice = inode.kind === 'character-device' || inode.kind === 'block-device';
    return {
      nodeId: this.rootId | BigInt(index),
      sizeBytes: sizeOf(inode),
      ...splitTime(inode.mtimeNs),
      mode: modeOf(inode),
      linkCount,
      uid: shiftedId(inode.uid, this.options.uidShift),
      gid: shiftedId(inode.gid, this.options.gidShift),
      device: isDevice ? encodeDevice(inode.major, inode.minor) : 0,
    };
  }

  namesOf(directory: Directory): readonly (readonly [ByteText, Inode])[] {
    const known = this.#names.get(directory);
    if (known !== undefined) return known;
    const names = [...directory.entries];
    this.#names.set(directory, names);
    return names;
  }

  #place(inode: Inode, parent: Directory): void {
    const known = this.#places.get(inode);
    if (known !== undefined) {
      known.linkCount += 1;
      return;
    }
    const isDirectory = inode.kind === 'directory';
    this.#places.set(inode, {
      index: this.#inodes.length,
      linkCount: isDirectory ? 2 : 1,
      parent,
    });
    this.#inodes.push(inode);
    const above = this.#places.get(parent);
    if (isDirectory && above !== undefined && inode !== parent) above.linkCount += 1;
  }
}

function sizeOf(inode: Inode): number {
  if (inode.kind === 'file') return inode.sizeBytes;
  return inode.kind === 'symlink' ? inode.target.length : 0;
}

function numberOfTree(nodeId: bigint): bigint {
  return (nodeId & (treeIds - 1n)) >> treeIndexBits;
}

function folderOf(id: ObjectId): bigint {
  return firstFolderId + BigInt(Number.parseInt(id.slice(0, 2), 16));
}

const nobodysTimes = { seconds: 0n, nanoseconds: 0, uid: 0, gid: 0, device: 0 };

function folderStat(nodeId: bigint): NodeStat {
  return { nodeId, sizeBytes: 0, mode: 0o040500, linkCount: 2, ...nobodysTimes };
}

function objectStat({ nodeId, file }: ServedObject): NodeStat {
  return { nodeId, sizeBytes: file.sizeBytes, mode: 0o100400, linkCount: 1, ...nobodysTimes };
}

/** Numbers have 40 bits at least and a secret: two that are the same are a fault. */
function assertFree(taken: object | undefined): void {
  if (taken !== undefined) throw new Error('two nodes of the file system have the same number');
}
