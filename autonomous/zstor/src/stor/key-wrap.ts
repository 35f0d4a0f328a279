import { hkdfSync } from 'node:crypto';
import { GridError } from '@commongrid/base';
import type { ZstorErrorCode } from '../errors.ts';
import { openBytes, sealBytes } from './sealed-bytes.ts';

/** Bytes of a key, and of the secrets that keys are made from. */
export const keyBytes = 32;

/** What a secret is for: the store's own, or that of a bucket. */
export class KeyWrap {
  /** 0: the store's own. */
  readonly no: number;
  readonly #blobsKey: Buffer;
  readonly #bodiesKey: Buffer;

  /** @param secret 32 bytes */
  constructor(no: number, secret: Uint8Array) {
    this.no = no;
    this.#blobsKey = deriveKey(secret, 'blobs');
    this.#bodiesKey = deriveKey(secret, 'bodies');
  }

  /** The key of a blob, so that it may be kept: 60 bytes, bound to the id of the blob. */
  wrap(blobId: Uint8Array, blobKey: Uint8Array): Buffer {
    return sealBytes(this.#blobsKey, blobKey, blobId);
  }

  /** @throws ZSTOR_KEY_INVALID */
  unwrap(blobId: Uint8Array, wrapped: Uint8Array): Buffer {
    const blobKey = openBytes(this.#blobsKey, wrapped, blobId);
    return blobKey ?? this.#refuse('the key of a blob does not open with it');
  }

  /**
   * A small body that is kept in the tables themselves.
   * @param about is authenticated with it: whose body it is
   */
  seal(body: Uint8Array, about: Uint8Array): Buffer {
    return sealBytes(this.#bodiesKey, body, about);
  }

  /** @throws ZSTOR_KEY_INVALID */
  open(sealed: Uint8Array, about: Uint8Array): Buffer {
    const body = openBytes(this.#bodiesKey, sealed, about);
    return body ?? this.#refuse('a body in the tables does not open with it');
  }

  #refuse(why: string): never {
    const whose = this.no === 0 ? 'of this store' : `${this.no} of a bucket`;
    throw new GridError<ZstorErrorCode>('ZSTOR_KEY_INVALID', `the key ${whose} is wrong: ${why}`, {
      hint: 'put back the key file that was made with the store',
      details: { no: this.no },
    });
  }
}

/** @param purpose as docs/formats/zstor-store.md names it */
export function deriveKey(secret: Uint8Array, purpose: string): Buffer {
  const info = `commongrid/zstor-keys/1 ${purpose}`;
  return Buffer.from(hkdfSync('sha256', secret, new Uint8Array(), info, keyBytes));
}
