import type { KeyWrap } from '@commongrid/zstor';

/** What a small body says that it is; the key says of which bucket. */
const aboutBody = Buffer.from('s3 body');

/** A small body as it stands in the tables. */
export function sealBody(key: KeyWrap, bytes: Uint8Array): Buffer {
  return key.seal(bytes, aboutBody);
}

/** @throws ZSTOR_KEY_INVALID */
export function openBody(key: KeyWrap, sealed: Uint8Array): Buffer {
  return key.open(sealed, aboutBody);
}
