import { GridError } from '@commongrid/base/browser';
import type { BcdbErrorCode } from '../errors.ts';
import { leafBytesMax, payloadBytesMax, saltBytes } from '../record/entry.ts';
import type { Entry } from '../record/entry.ts';
import { fromBase64url, toBase64url } from '../tree/base64.ts';

/** A record as JSON carries it: base64url without padding. */
export interface EntryText {
  readonly leaf: string;
  /** Absent where there is none, it was erased, or it is withheld. */
  readonly body?: string;
}

/** Longest text of a leaf, characters. */
export const leafTextMax = Math.ceil((leafBytesMax * 4) / 3);
/** Longest text of a body, characters. */
export const bodyTextMax = Math.ceil(((saltBytes + payloadBytesMax) * 4) / 3);

export function encodeEntry({ leaf, body }: Entry): EntryText {
  return {
    leaf: toBase64url(leaf),
    ...(body === undefined ? {} : { body: toBase64url(body) }),
  };
}

/** @throws BCDB_REQUEST_INVALID */
export function decodeEntry({ leaf, body }: EntryText): Entry {
  return {
    leaf: decodeBytes('leaf', leaf),
    body: body === undefined ? undefined : decodeBytes('body', body),
  };
}

/** @throws BCDB_REQUEST_INVALID */
export function decodeBytes(name: string, text: string): Uint8Array {
  const bytes = fromBase64url(text);
  if (bytes !== undefined) return bytes;
  throw new GridError<BcdbErrorCode>('BCDB_REQUEST_INVALID', `${name} is no base64url`, {
    hint: 'base64url without padding (RFC 4648, section 5)',
    details: { name },
  });
}
