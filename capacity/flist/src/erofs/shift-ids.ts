import { GridError } from '@commongrid/base';

import type { FlistErrorCode } from '../errors.ts';
import { shownText } from '../tree/byte-text.ts';
import type { Directory, Inode, InodeBase, Xattr } from '../tree/inode.ts';
import { walkTree } from '../tree/walk-tree.ts';

/** What is added to the ids of an image, so that a user namespace maps them back. */
export interface IdShift {
  readonly uidShift: number;
  readonly gidShift: number;
}

/** Highest uid and gid in an image, in attributes too. */
const maxImageId = 65_535;

/** Highest shift: with it the highest id is still below the one that means nobody. */
const maxIdShift = 2 ** 32 - 2 - maxImageId;

/** @throws FLIST_ID_OUT_OF_RANGE */
export function assertShift({ uidShift, gidShift }: IdShift): void {
  for (const shift of [uidShift, gidShift]) {
    if (Number.isSafeInteger(shift) && shift >= 0 && shift <= maxIdShift) continue;
    throw new GridError<FlistErrorCode>(
      'FLIST_ID_OUT_OF_RANGE',
      `ids cannot be shifted by ${shift}`,
      {
        hint: `shift them by 0 to ${maxIdShift}`,
        details: { shift, maxIdShift },
      },
    );
  }
}

/**
 * Whether the kernel can be shown all of a tree, as an EROFS image or otherwise.
 * @throws FLIST_ID_OUT_OF_RANGE, FLIST_XATTR_FORBIDDEN, FLIST_DEVICE_UNSUPPORTED
 */
export function assertTreeMountable(root: Directory, shift: IdShift): void {
  assertShift(shift);
  for (const { inode, isFirstName } of walkTree(root)) {
    if (!isFirstName) continue;
    shiftedId(inode.uid, shift.uidShift);
    shiftedId(inode.gid, shift.gidShift);
    shiftedXattrs(inode, shift);
    assertMountable(inode);
  }
}

/** To overlayfs a character device 0:0 is the mark of a file that was removed. */
export function assertMountable(inode: Inode): void {
  if (inode.kind !== 'character-device' || inode.major !== 0 || inode.minor !== 0) return;
  throw new GridError<FlistErrorCode>(
    'FLIST_DEVICE_UNSUPPORTED',
    'a character device 0:0 cannot be mounted',
    { hint: 'remove it from the image: overlayfs takes it for a removed file' },
  );
}

/**
 * The attributes of an inode as a kernel has to see them: ids in access control lists and the user
 * whose root a capability belongs to are shifted as owners are. A capability that names no user
 * belongs to root of the machine, which is nobody in a user namespace: it gets the shifted root.
 * @throws FLIST_XATTR_FORBIDDEN, FLIST_ID_OUT_OF_RANGE
 */
export function shiftedXattrs(inode: InodeBase, shift: IdShift): readonly Xattr[] {
  return inode.xattrs.map((xattr) => {
    const { name, value } = xattr;
    if (name === 'security.capability') return { name, value: shiftCapability(value, shift) };
    if (name.startsWith('system.posix_acl_')) return { name, value: shiftAcl(xattr, shift) };
    return xattr;
  });
}

const aclVersion = 2;
const aclHeaderBytes = 4;
const aclEntryBytes = 8;
const aclUserTag = 0x02;
const aclGroupTag = 0x08;

/** `struct posix_acl_xattr_header` and entries of tag, permissions, id: linux/posix_acl_xattr.h. */
function shiftAcl({ name, value }: Xattr, { uidShift, gidShift }: IdShift): Buffer {
  const acl = Buffer.from(value);
  const isWhole =
    acl.length >= aclHeaderBytes && (acl.length - aclHeaderBytes) % aclEntryBytes === 0;
  if (!isWhole || acl.readUInt32LE(0) !== aclVersion) throw malformed(shownText(name));
  for (let at = aclHeaderBytes; at < acl.length; at += aclEntryBytes) {
    const tag = acl.readUInt16LE(at);
    if (tag !== aclUserTag && tag !== aclGroupTag) continue;
    const id = acl.readUInt32LE(at + 4);
    acl.writeUInt32LE(shiftedId(id, tag === aclUserTag ? uidShift : gidShift), at + 4);
  }
  return acl;
}

const capabilityBytesOf: ReadonlyMap<number, number> = new Map([
  [1, 12],
  [2, 20],
  [3, 24],
]);

/** `struct vfs_ns_cap_data`: magic with the version in its highest byte, sets, root's uid in 3. */
function shiftCapability(value: Uint8Array, { uidShift }: IdShift): Uint8Array {
  const version = value[3] ?? 0;
  if (capabilityBytesOf.get(version) !== value.length) throw malformed('security.capability');
  if (uidShift === 0 || version === 1) return value;
  const shifted = Buffer.alloc(24);
  shifted.set(value);
  shifted[3] = 3;
  shifted.writeUInt32LE(shiftedId(shifted.readUInt32LE(20), uidShift), 20);
  return shifted;
}

export function shiftedId(id: number, shift: number): number {
  if (id <= maxImageId) return id + shift;
  throw new GridError<FlistErrorCode>('FLIST_ID_OUT_OF_RANGE', `id ${id} is above ${maxImageId}`, {
    hint: 'give the file an owner, and lists with ids, from 0 to 65535',
    details: { id },
  });
}

function malformed(name: string): GridError<FlistErrorCode> {
  return new GridError('FLIST_XATTR_FORBIDDEN', `the value of ${name} is malformed`, {
    hint: 'leave the attribute out',
    details: { name },
  });
}
