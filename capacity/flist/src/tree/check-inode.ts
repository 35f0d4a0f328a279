import { GridError } from '@commongrid/base';
import type { FlistErrorCode } from '../errors.ts';
import { byteTextFrom, shownText } from './byte-text.ts';
import type { ByteText } from './byte-text.ts';
import { chunkBytes, hashBytes } from './inode.ts';
import type { Device, Directory, Inode, InodeBase, RegularFile, Symlink, Xattr } from './inode.ts';
import {
  deviceMajorMax,
  deviceMinorMax,
  nameBytesMax,
  ownerIdMax,
  targetBytesMax,
  xattrBytesMax,
  xattrNameBytesMax,
} from './tree-limits.ts';

/** An inode without what a directory contains. */
export type NewNode = Exclude<Inode, Directory> | Omit<Directory, 'entries'>;

/** Names a file in errors. Called only when there is one. */
export type Where = () => string;

/** Seconds of an mtime reach from `-secondsBound` to `secondsBound - 1`: what a varint can say. */
const secondsBound = 2n ** 52n;
const nsPerSecond = 1_000_000_000n;
const mtimeNsMin = -secondsBound * nsPerSecond;
const mtimeNsEnd = secondsBound * nsPerSecond;

/**
 * That an image may have this inode: ranges, lengths, the order of attributes.
 * @throws FLIST_NODE_INVALID, FLIST_ID_OUT_OF_RANGE, FLIST_XATTR_FORBIDDEN, FLIST_TOO_LARGE
 */
export function checkInode(inode: NewNode, where: Where): void {
  checkBase(inode, where);
  switch (inode.kind) {
    case 'file':
      return checkFile(inode, where);
    case 'symlink':
      return checkTarget(inode, where);
    case 'character-device':
    case 'block-device':
      return checkDevice(inode, where);
    case 'directory':
    case 'fifo':
      return;
    default:
      throw invalid(where, 'has a kind that images do not know');
  }
}

/** @throws FLIST_NAME_INVALID */
export function checkName(name: ByteText): void {
  const isLengthGood = name.length > 0 && name.length <= nameBytesMax;
  const isPlain = !name.includes('/') && !name.includes('\0');
  if (isLengthGood && isPlain && name !== '.' && name !== '..') return;
  const shown = shownText(name.length > nameBytesMax ? (name.slice(0, 40) as ByteText) : name);
  throw new GridError<FlistErrorCode>('FLIST_NAME_INVALID', `"${shown}" is no name of a file`, {
    hint: `names have 1 to ${nameBytesMax} bytes without slash and zero`,
    details: { name: shown, bytes: name.length },
  });
}

/** How many chunks a file of this size has. */
export function chunkCountOf(sizeBytes: number): number {
  return Math.ceil(sizeBytes / chunkBytes);
}

/** Whether images carry this attribute. What overlayfs itself keeps in attributes they do not. */
export function isImageXattr(name: ByteText): boolean {
  if (name.length > xattrNameBytesMax || name.includes('\0')) return false;
  if (name.startsWith(userPrefix)) {
    return name.length > userPrefix.length && !name.startsWith('user.overlay.');
  }
  return systemXattrs.has(name);
}

const userPrefix = 'user.';
const systemXattrs: ReadonlySet<ByteText> = new Set(
  ['security.capability', 'system.posix_acl_access', 'system.posix_acl_default'].map(byteTextFrom),
);

function checkBase(inode: InodeBase, where: Where): void {
  const { mode, uid, gid, mtimeNs, xattrs } = inode;
  if (!isWhole(mode, 0o7777)) throw invalid(where, `has the mode ${mode}`, { mode });
  if (!isWhole(uid, ownerIdMax) || !isWhole(gid, ownerIdMax)) {
    throw new GridError<FlistErrorCode>(
      'FLIST_ID_OUT_OF_RANGE',
      `${where()} belongs to ${uid}:${gid}; ids go up to ${ownerIdMax}`,
      { hint: 'give the file another owner', details: { path: where(), uid, gid } },
    );
  }
  if (mtimeNs < mtimeNsMin || mtimeNs >= mtimeNsEnd) {
    throw invalid(where, 'has a time too far away', { mtimeNs });
  }
  if (xattrs.length > 0) checkXattrs(xattrs, where);
}

function checkXattrs(xattrs: readonly Xattr[], where: Where): void {
  let totalBytes = 0;
  let last = '';
  for (const { name, value } of xattrs) {
    if (!isImageXattr(name)) throw forbidden(name, where);
    if (name <= last) throw invalid(where, 'has attributes twice or out of order');
    last = name;
    totalBytes += name.length + value.length;
  }
  if (totalBytes > xattrBytesMax) {
    throw new GridError<FlistErrorCode>(
      'FLIST_TOO_LARGE',
      `${where()} has ${totalBytes} bytes of attributes, ${xattrBytesMax} at most`,
      { details: { path: where(), totalBytes, xattrBytesMax } },
    );
  }
}

function checkFile({ sizeBytes, chunkHashes }: RegularFile, where: Where): void {
  if (!isWhole(sizeBytes, Number.MAX_SAFE_INTEGER)) {
    throw invalid(where, `has the size ${sizeBytes}`, { sizeBytes });
  }
  if (chunkHashes.length !== chunkCountOf(sizeBytes) * hashBytes) {
    const hashes = chunkHashes.length / hashBytes;
    throw invalid(where, `of ${sizeBytes} bytes has ${hashes} hashes`, { sizeBytes, hashes });
  }
}

function checkTarget({ target }: Symlink, where: Where): void {
  if (target.length > 0 && target.length <= targetBytesMax && !target.includes('\0')) return;
  throw invalid(where, `has a target of ${target.length} bytes or with a zero`);
}

function checkDevice({ major, minor }: Device, where: Where): void {
  if (isWhole(major, deviceMajorMax) && isWhole(minor, deviceMinorMax)) return;
  throw invalid(where, `has the device number ${major}:${minor}`, { major, minor });
}

function isWhole(value: number, max: number): boolean {
  return Number.isInteger(value) && value >= 0 && value <= max;
}

function invalid(where: Where, what: string, details: object = {}): GridError<FlistErrorCode> {
  return new GridError('FLIST_NODE_INVALID', `${where()} ${what}`, {
    details: { path: where(), ...details },
  });
}

function forbidden(name: ByteText, where: Where): GridError<FlistErrorCode> {
  const shown = shownText(name);
  return new GridError('FLIST_XATTR_FORBIDDEN', `${where()} has the attribute ${shown}`, {
    hint: 'images have user.*, security.capability and POSIX ACLs: leave the others out',
    details: { path: where(), name: shown },
  });
}
