import { GridError } from '@commongrid/base';

import type { FlistErrorCode } from '../errors.ts';
import { byteTextFrom, bytesOfText, shownText } from '../tree/byte-text.ts';
import type { ByteText } from '../tree/byte-text.ts';
import type { Inode, RegularFile, Xattr } from '../tree/inode.ts';
import { shiftedId, shiftedXattrs } from './shift-ids.ts';
import type { IdShift } from './shift-ids.ts';

export const blockBytes = 4096;
/** Inodes begin at multiples of it; an inode's number is its place in the image in such slots. */
export const slotBytes = 32;
/** `struct erofs_inode_extended`. */
export const inodeBytes = 64;

export interface ErofsOptions extends IdShift {
  /** Where overlayfs finds the content of a file in its data-only layers: `/ab/cdef...`. */
  readonly objectPathOf: (file: RegularFile) => string;
}

/** How the content of an inode is laid out: fs/erofs/erofs_fs.h. */
export type Layout = 'plain' | 'inline' | 'chunked';

const layoutNumbers: Readonly<Record<Layout, number>> = { plain: 0, inline: 2, chunked: 4 };

const typeBits: Readonly<Record<Inode['kind'], number>> = {
  file: 0o100000,
  directory: 0o040000,
  symlink: 0o120000,
  'character-device': 0o020000,
  'block-device': 0o060000,
  fifo: 0o010000,
};

/** One chunk as large as the format allows, 2^31 blocks: a file is one hole of its size. */
const oneChunkFormat = 31;
export const noBlock = 0xffff_ffff;

export interface InodeRecord {
  readonly inode: Inode;
  readonly layout: Layout;
  readonly sizeBytes: number;
  readonly linkCount: number;
  /** Counted from 1, for `i_ino`. */
  readonly serial: number;
  /** Where content begins that is laid out plainly, in blocks. */
  readonly blockAddress: number;
  readonly xattrBytes: number;
}

/** The 64 bytes of an inode. */
export function encodeInode(record: InodeRecord, options: ErofsOptions): Buffer {
  const { inode, layout, xattrBytes } = record;
  const bytes = Buffer.alloc(inodeBytes);
  bytes.writeUInt16LE(1 | (layoutNumbers[layout] << 1), 0);
  bytes.writeUInt16LE(xattrBytes === 0 ? 0 : (xattrBytes - xattrHeaderBytes) / 4 + 1, 2);
  bytes.writeUInt16LE(modeOf(inode), 4);
  bytes.writeBigUInt64LE(BigInt(record.sizeBytes), 8);
  bytes.writeUInt32LE(locationOf(record), 16);
  bytes.writeUInt32LE(record.serial, 20);
  bytes.writeUInt32LE(shiftedId(inode.uid, options.uidShift), 24);
  bytes.writeUInt32LE(shiftedId(inode.gid, options.gidShift), 28);
  const { seconds, nanoseconds } = splitTime(inode.mtimeNs);
  bytes.writeBigInt64LE(seconds, 32);
  bytes.writeUInt32LE(nanoseconds, 40);
  bytes.writeUInt32LE(record.linkCount, 44);
  return bytes;
}

/** Type and permissions, as `stat` gives them. */
export function modeOf(inode: Inode): number {
  return typeBits[inode.kind] | inode.mode;
}

const nsPerSecond = 1_000_000_000n;

/** Whole seconds, rounded down, and what is left: before 1970 too. */
export function splitTime(timeNs: bigint): { seconds: bigint; nanoseconds: number } {
  const rest = ((timeNs % nsPerSecond) + nsPerSecond) % nsPerSecond;
  return { seconds: (timeNs - rest) / nsPerSecond, nanoseconds: Number(rest) };
}

function locationOf({ inode, layout, blockAddress }: InodeRecord): number {
  if (inode.kind === 'character-device' || inode.kind === 'block-device') {
    return encodeDevice(inode.major, inode.minor);
  }
  return layout === 'chunked' ? oneChunkFormat : blockAddress;
}

/** As the kernel's `new_encode_dev`: 12 bits of major, 20 of minor. */
export function encodeDevice(major: number, minor: number): number {
  return ((minor & 0xff) | (major << 8) | ((minor & 0xfff00) << 12)) >>> 0;
}

/** `struct erofs_xattr_ibody_header` without shared attributes. */
const xattrHeaderBytes = 12;
const xattrEntryBytes = 4;
/** The size of a value has 16 bits. */
const maxXattrValueBytes = 65_535;

/** Longest first where one begins as another does. */
const xattrPrefixes: readonly (readonly [string, number])[] = [
  ['system.posix_acl_access', 2],
  ['system.posix_acl_default', 3],
  ['user.', 1],
  ['trusted.', 4],
  ['security.', 6],
];

/** All attributes that overlayfs and users see, padded to 4 bytes; empty when there are none. */
export function encodeXattrs(inode: Inode, options: ErofsOptions): Buffer {
  const xattrs = [...shiftedXattrs(inode, options), ...overlayXattrs(inode, options)];
  if (xattrs.length === 0) return noXattrs;
  return Buffer.concat([Buffer.alloc(xattrHeaderBytes), ...xattrs.map(encodeXattr)]);
}

const noXattrs = Buffer.alloc(0);
const metacopyName = byteTextFrom('trusted.overlay.metacopy');
const redirectName = byteTextFrom('trusted.overlay.redirect');

/** A file that has content is only its metadata here; the content is found by redirect. */
function overlayXattrs(inode: Inode, { objectPathOf }: ErofsOptions): readonly Xattr[] {
  if (inode.kind !== 'file' || inode.sizeBytes === 0) return [];
  return [
    { name: metacopyName, value: noXattrs },
    { name: redirectName, value: Buffer.from(objectPathOf(inode), 'utf8') },
  ];
}

function encodeXattr({ name, value }: Xattr): Buffer {
  const [prefix, index] = prefixOf(name);
  const suffix = bytesOfText(name).subarray(prefix.length);
  if (value.length > maxXattrValueBytes) throw tooLong(name, value.length);
  const sizeBytes = xattrEntryBytes + suffix.length + value.length;
  const bytes = Buffer.alloc(Math.ceil(sizeBytes / 4) * 4);
  bytes.writeUInt8(suffix.length, 0);
  bytes.writeUInt8(index, 1);
  bytes.writeUInt16LE(value.length, 2);
  bytes.set(suffix, xattrEntryBytes);
  bytes.set(value, xattrEntryBytes + suffix.length);
  return bytes;
}

function prefixOf(name: ByteText): readonly [string, number] {
  const found = xattrPrefixes.find(([prefix]) => name.startsWith(prefix));
  if (found !== undefined) return found;
  throw new GridError<FlistErrorCode>(
    'FLIST_XATTR_FORBIDDEN',
    `no image has attributes such as ${shownText(name)}`,
    { hint: 'leave the attribute out' },
  );
}

function tooLong(name: ByteText, sizeBytes: number): GridError<FlistErrorCode> {
  return new GridError(
    'FLIST_TOO_LARGE',
    `the value of ${shownText(name)} has ${sizeBytes} bytes`,
    {
      hint: `an attribute that is mounted has at most ${maxXattrValueBytes} bytes`,
      details: { sizeBytes, maxXattrValueBytes },
    },
  );
}
