import { createCipheriv, createDecipheriv, createHmac, hkdfSync, randomBytes } from 'node:crypto';
import { GridError } from '@commongrid/base';
import type { ZstorErrorCode } from '../errors.ts';

/** Bytes of the nonce and the tag of AES-256-GCM. */
const nonceBytes = 12;
export const tagBytes = 16;

/** Keys of fences that are kept at hand; each costs a derivation. */
const fenceKeysMax = 64;

/**
 * The keys of one log, all made from the metadata key and the id of the log: one for the records
 * of each fence, one for the chain, one for notes.
 */
export class TlogCipher {
  readonly logId: Buffer;
  readonly #metadataKey: Uint8Array;
  readonly #chainKey: Buffer;
  readonly #noteKey: Buffer;
  readonly #fenceKeys = new Map<number, Buffer>();

  /** @param metadataKey 32 bytes @param logId 16 bytes */
  constructor(metadataKey: Uint8Array, logId: Buffer) {
    this.#metadataKey = metadataKey;
    this.logId = logId;
    this.#chainKey = this.#derive('chain');
    this.#noteKey = this.#derive('note');
  }

  /**
   * Encrypts the body of a record. No two bodies have the same fence and index: a fence belongs to
   * one head, which fills each index once.
   * @returns nonce, ciphertext, tag
   */
  seal(fence: number, index: number, header: Buffer, body: Uint8Array): Buffer[] {
    const nonce = Buffer.allocUnsafe(nonceBytes);
    randomBytes(4).copy(nonce);
    nonce.writeBigUInt64LE(BigInt(index), 4);
    return encrypt(this.#fenceKey(fence), nonce, this.#context('record', header), body);
  }

  /** @throws ZSTOR_CATALOG_RECORD_CORRUPT */
  open(fence: number, header: Buffer, sealed: Buffer): Buffer {
    return decrypt(this.#fenceKey(fence), this.#context('record', header), sealed);
  }

  /** Encrypts a small value that a member keeps beside the log, under its name. */
  sealNote(name: string, body: Uint8Array): Buffer {
    const nonce = randomBytes(nonceBytes);
    return Buffer.concat(encrypt(this.#noteKey, nonce, this.#context(`note ${name}`), body));
  }

  /** @throws ZSTOR_CATALOG_RECORD_CORRUPT */
  openNote(name: string, sealed: Buffer): Buffer {
    return decrypt(this.#noteKey, this.#context(`note ${name}`), sealed);
  }

  /** Links a record to all before it. Keyed: members must not learn what they hold by guessing. */
  chainHash(...parts: readonly Uint8Array[]): Buffer {
    const hmac = createHmac('sha256', this.#chainKey);
    for (const part of parts) hmac.update(part);
    return hmac.digest();
  }

  #fenceKey(fence: number): Buffer {
    const known = this.#fenceKeys.get(fence);
    if (known !== undefined) return known;
    if (this.#fenceKeys.size >= fenceKeysMax) this.#fenceKeys.clear();
    const key = this.#derive(`record ${fence}`);
    this.#fenceKeys.set(fence, key);
    return key;
  }

  #derive(purpose: string): Buffer {
    const info = `commongrid/zstor-tlog/1 ${purpose}`;
    return Buffer.from(hkdfSync('sha256', this.#metadataKey, this.logId, info, 32));
  }

  #context(purpose: string, header: Uint8Array = new Uint8Array(0)): Buffer {
    return Buffer.concat([Buffer.from(`commongrid/zstor-tlog/1 ${purpose}\0`), this.logId, header]);
  }
}

function encrypt(key: Buffer, nonce: Buffer, context: Buffer, body: Uint8Array): Buffer[] {
  const cipher = createCipheriv('aes-256-gcm', key, nonce);
  cipher.setAAD(context);
  return [nonce, cipher.update(body), cipher.final(), cipher.getAuthTag()];
}

function decrypt(key: Buffer, context: Buffer, sealed: Buffer): Buffer {
  if (sealed.length < nonceBytes + tagBytes) throw corrupt('it is cut');
  const decipher = createDecipheriv('aes-256-gcm', key, sealed.subarray(0, nonceBytes), {
    authTagLength: tagBytes,
  });
  decipher.setAAD(context);
  decipher.setAuthTag(sealed.subarray(sealed.length - tagBytes));
  const body = decipher.update(sealed.subarray(nonceBytes, sealed.length - tagBytes));
  try {
    decipher.final();
  } catch (cause) {
    throw corrupt('it does not open with the key of this log', cause);
  }
  return body;
}

export function corrupt(why: string, cause?: unknown): GridError<ZstorErrorCode> {
  return new GridError('ZSTOR_CATALOG_RECORD_CORRUPT', `a record of the log is damaged: ${why}`, {
    hint: 'the other members are read; scrub or replace the member that has it',
    cause,
  });
}
