import { GridError } from '@commongrid/base';
import type { FlistErrorCode } from '../errors.ts';
import { shownText } from './byte-text.ts';
import type { ByteText } from './byte-text.ts';

/** Inodes of an image, its root included. */
export const inodesMax = 1_048_576;

/** Names in all folders of an image together. */
export const namesMax = 2_097_152;

/** Names of the longest path: how deep folders are nested. */
export const depthMax = 1_024;

/** Bytes of a name. */
export const nameBytesMax = 255;

/** Bytes of the target of a symlink. */
export const targetBytesMax = 4_095;

/** Bytes of the name of an attribute. */
export const xattrNameBytesMax = 255;

/** Bytes of all attributes of an inode, names and values. */
export const xattrBytesMax = 65_536;

/** Attributes of all inodes of an image together. */
export const xattrsMax = 1_048_576;

/** Largest uid and gid. */
export const ownerIdMax = 65_535;

/** Largest major number of a device, as Linux has them. */
export const deviceMajorMax = 4_095;

/** Largest minor number of a device. */
export const deviceMinorMax = 1_048_575;

/** Names in targets of symlinks that a builder steps over in all: some for each name of an image. */
export const followedNamesMax = 32 * 1024 * 1024;

/** Bytes of an unpacked flist. */
export const flistBytesMax = 256 * 1024 * 1024;

/** The error for an image that has more than a limit allows; `at` is the name that is too much. */
export function tooLarge(what: string, limit: number, at?: ByteText): GridError<FlistErrorCode> {
  return new GridError('FLIST_TOO_LARGE', `an image has at most ${limit} ${what}`, {
    details: { limit, ...(at === undefined ? {} : { at: shownText(at) }) },
  });
}
