import { GridError } from '@commongrid/base';

import type { FlistErrorCode } from '../errors.ts';
import { shownText } from '../tree/byte-text.ts';
import type { ByteText } from '../tree/byte-text.ts';

/** The bytes are no tar, or the tar ends too early. */
export function tarInvalid(message: string, path?: ByteText): GridError<FlistErrorCode> {
  return new GridError('FLIST_TAR_INVALID', `${message}${placeOf(path)}`, {
    hint: 'make the tar again, or fetch it again',
    details: path === undefined ? {} : { path: shownText(path) },
  });
}

/** A tar that says something clearly which is not read here. */
export function tarUnsupported(message: string, path?: ByteText): GridError<FlistErrorCode> {
  return new GridError('FLIST_TAR_UNSUPPORTED', `${message}${placeOf(path)}`, {
    hint: 'make the tar with --format=pax and without --sparse',
    details: path === undefined ? {} : { path: shownText(path) },
  });
}

/** A tar with more in it than an image may have. */
export function tarTooLarge(what: string, limit: number): GridError<FlistErrorCode> {
  return new GridError('FLIST_TOO_LARGE', `the tar has more than ${limit} ${what}`, {
    details: { what, limit },
  });
}

function placeOf(path: ByteText | undefined): string {
  return path === undefined ? '' : `: ${shownText(path)}`;
}
