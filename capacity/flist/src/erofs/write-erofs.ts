import { bytesOfText } from '../tree/byte-text.ts';
import type { Directory, Inode } from '../tree/inode.ts';
import { directoryBytes, encodeDirectory } from './erofs-directory.ts';
import {
  blockBytes,
  encodeInode,
  encodeXattrs,
  inodeBytes,
  noBlock,
  slotBytes,
} from './erofs-inode.ts';
import type { ErofsOptions, InodeRecord, Layout } from './erofs-inode.ts';
import { assertMountable, assertShift } from './shift-ids.ts';

/** Where an inode is and what it needs there. */
interface Placed extends InodeRecord {
  readonly parent: Directory;
  /** Bytes from the beginning of the image. */
  readonly offset: number;
}

/** Block 0 has the superblock; inodes follow, then directories that are too large to be inline. */
const inodesOffset = blockBytes;
const superblockOffset = 1024;
const superblockBytes = 128;
const magic = 0xe0f5_e1e2;
const timesCompatible = 0x2;
const chunkedIncompatible = 0x4;
/** What is handed out at a time. */
const pieceBytes = 256 * 1024;

/**
 * A tree as an EROFS image without content, for overlayfs: files of some size have no blocks but
 * say, in attributes of overlayfs, under which path of the data-only layers their content is.
 * The same tree gives the same bytes.
 *
 * 1. Number the inodes in the order of the tree; several names of one are one inode.
 * 2. Give each a place: its 64 bytes, its attributes, and what fits inline behind them.
 * 3. Write superblock, inodes, directories in that order.
 *
 * Format: the kernel's fs/erofs/erofs_fs.h.
 * @throws FLIST_XATTR_FORBIDDEN, FLIST_ID_OUT_OF_RANGE, FLIST_TOO_LARGE, FLIST_DEVICE_UNSUPPORTED
 */
export function* writeErofs(root: Directory, options: ErofsOptions): Generator<Buffer> {
  assertShift(options);
  const { placed, blockCount } = place(root, options);
  yield* inPieces(imageParts(placed, blockCount, options));
}

function place(
  root: Directory,
  options: ErofsOptions,
): { placed: ReadonlyMap<Inode, Placed>; blockCount: number } {
  const { parents, linkCounts } = numberInodes(root);
  const placed = new Map<Inode, Placed>();
  const ownBlocks: Inode[] = [];
  let end = inodesOffset;
  for (const [inode, parent] of parents) {
    const xattrBytes = encodeXattrs(inode, options).length;
    const sizeBytes = contentBytes(inode, parent);
    const layout = layoutOf(inode, sizeBytes, xattrBytes);
    const needBytes = inodeBytes + xattrBytes + tailBytes(layout, sizeBytes);
    let offset = Math.ceil(end / slotBytes) * slotBytes;
    // What is inline, and so short enough, may not cross the end of a block.
    const isCrossing = (offset % blockBytes) + needBytes > blockBytes;
    if (layout === 'inline' && isCrossing) offset = Math.ceil(end / blockBytes) * blockBytes;
    end = offset + needBytes;
    const linkCount = linkCounts.get(inode) ?? 1;
    const record = { inode, parent, layout, sizeBytes, linkCount, xattrBytes, offset };
    placed.set(inode, { ...record, serial: placed.size + 1, blockAddress: noBlock });
    if (layout === 'plain' && sizeBytes > 0) ownBlocks.push(inode);
  }
  let blockCount = Math.ceil(end / blockBytes);
  for (const inode of ownBlocks) {
    const record = placedOf(placed, inode);
    placed.set(inode, { ...record, blockAddress: blockCount });
    blockCount += Math.ceil(record.sizeBytes / blockBytes);
  }
  return { placed, blockCount };
}

/** Each inode once, with the directory that it is first seen in; the root is in itself. */
function numberInodes(root: Directory): {
  parents: ReadonlyMap<Inode, Directory>;
  linkCounts: ReadonlyMap<Inode, number>;
} {
  const parents = new Map<Inode, Directory>([[root, root]]);
  const linkCounts = new Map<Inode, number>([[root, 2]]);
  const count = (inode: Inode, by: number): void => {
    linkCounts.set(inode, (linkCounts.get(inode) ?? 0) + by);
  };
  const pending: Iterator<Inode>[] = [root.entries.values()];
  const within: Directory[] = [root];
  for (;;) {
    const top = pending.at(-1);
    const directory = within.at(-1);
    if (top === undefined || directory === undefined) return { parents, linkCounts };
    const next = top.next();
    if (next.done === true) {
      pending.pop();
      within.pop();
      continue;
    }
    const inode = next.value;
    if (!parents.has(inode)) parents.set(inode, directory);
    count(inode, 1);
    if (inode.kind !== 'directory') continue;
    // Its own `.`, and its `..` for the one that it is in.
    count(inode, 1);
    count(directory, 1);
    pending.push(inode.entries.values());
    within.push(inode);
  }
}

function contentBytes(inode: Inode, parent: Directory): number {
  if (inode.kind === 'file') return inode.sizeBytes;
  if (inode.kind === 'symlink') return inode.target.length;
  if (inode.kind === 'directory') return directoryBytes({ directory: inode, parent });
  assertMountable(inode);
  return 0;
}

function layoutOf(inode: Inode, sizeBytes: number, xattrBytes: number): Layout {
  if (sizeBytes === 0) return 'plain';
  if (inode.kind === 'file') return 'chunked';
  return inodeBytes + xattrBytes + sizeBytes <= blockBytes ? 'inline' : 'plain';
}

const chunkIndexBytes = 4;

function tailBytes(layout: Layout, sizeBytes: number): number {
  if (layout === 'inline') return sizeBytes;
  return layout === 'chunked' ? chunkIndexBytes : 0;
}

interface Part {
  readonly offset: number;
  readonly bytes: Buffer;
}

/** What is not zero, in the order of its place. */
function* imageParts(
  placed: ReadonlyMap<Inode, Placed>,
  blockCount: number,
  options: ErofsOptions,
): Generator<Part> {
  yield { offset: superblockOffset, bytes: encodeSuperblock(placed.size, blockCount) };
  const numberOf = (inode: Inode): bigint => BigInt(placedOf(placed, inode).offset / slotBytes);
  for (const record of placed.values()) {
    const xattrs = encodeXattrs(record.inode, options);
    yield { offset: record.offset, bytes: encodeInode(record, options) };
    yield { offset: record.offset + inodeBytes, bytes: xattrs };
    const offset = record.offset + inodeBytes + xattrs.length;
    if (record.layout === 'chunked') yield { offset, bytes: holeIndex };
    if (record.layout === 'inline') yield* contentParts(record, offset, numberOf);
  }
  for (const record of placed.values()) {
    if (record.layout !== 'plain' || record.sizeBytes === 0) continue;
    yield* contentParts(record, record.blockAddress * blockBytes, numberOf);
  }
  yield { offset: blockCount * blockBytes, bytes: Buffer.alloc(0) };
}

/** The one chunk of a file, which has no blocks. */
const holeIndex = Buffer.alloc(chunkIndexBytes, 0xff);

function* contentParts(
  { inode, parent }: Placed,
  offset: number,
  numberOf: (inode: Inode) => bigint,
): Generator<Part> {
  if (inode.kind === 'symlink') yield { offset, bytes: bytesOfText(inode.target) };
  if (inode.kind !== 'directory') return;
  let at = offset;
  for (const bytes of encodeDirectory({ directory: inode, parent }, numberOf)) {
    yield { offset: at, bytes };
    at += bytes.length;
  }
}

function encodeSuperblock(inodeCount: number, blockCount: number): Buffer {
  const bytes = Buffer.alloc(superblockBytes);
  bytes.writeUInt32LE(magic, 0);
  bytes.writeUInt32LE(timesCompatible, 8);
  bytes.writeUInt8(Math.log2(blockBytes), 12);
  bytes.writeUInt16LE(inodesOffset / slotBytes, 14);
  bytes.writeBigUInt64LE(BigInt(inodeCount), 16);
  bytes.writeUInt32LE(blockCount, 36);
  bytes.writeUInt32LE(chunkedIncompatible, 80);
  return bytes;
}

/** Buffers of `pieceBytes`, the last shorter, with zeros where no part is. */
function* inPieces(parts: Iterable<Part>): Generator<Buffer> {
  let piece = Buffer.alloc(pieceBytes);
  let pieceOffset = 0;
  let end = 0;
  for (const { offset, bytes } of parts) {
    let done = 0;
    end = offset + bytes.length;
    while (offset + done >= pieceOffset + pieceBytes || done < bytes.length) {
      const room = pieceOffset + pieceBytes - (offset + done);
      if (room <= 0) {
        yield piece;
        piece = Buffer.alloc(pieceBytes);
        pieceOffset += pieceBytes;
        continue;
      }
      const taken = bytes.subarray(done, done + room);
      piece.set(taken, offset + done - pieceOffset);
      done += taken.length;
    }
  }
  if (end > pieceOffset) yield piece.subarray(0, end - pieceOffset);
}

function placedOf(placed: ReadonlyMap<Inode, Placed>, inode: Inode): Placed {
  const found = placed.get(inode);
  if (found === undefined) throw new Error('an inode of the tree has no place');
  return found;
}
