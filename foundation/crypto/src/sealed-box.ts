import { GridError } from '@commongrid/base';
import { AEAD_AES_256_GCM, CipherSuite, KDF_HKDF_SHA256, KEM_DHKEM_X25519_HKDF_SHA256 } from 'hpke';
import type { CryptoErrorCode } from './errors.ts';
import type { SealingKey, SealingPublicKey } from './sealing-key.ts';

/**
 * Version 1: HPKE (RFC 9180) base mode, one message, with DHKEM(X25519, HKDF-SHA256), HKDF-SHA256
 * and AES-256-GCM. Layout: the version byte, 32 bytes of encapsulated key, the ciphertext with its
 * 16 byte tag.
 */
const version = 1;
const suite = new CipherSuite(KEM_DHKEM_X25519_HKDF_SHA256, KDF_HKDF_SHA256, AEAD_AES_256_GCM);

const encapsulatedBytes = 32;
const tagBytes = 16;

/** Bytes that a box is longer than what it holds. */
export const boxOverheadBytes = 1 + encapsulatedBytes + tagBytes;

/** Most bytes in a box: boxes hold secrets and keys; large data is encrypted under a sealed key. */
export const maxPlaintextBytes = 2 ** 20;

export interface BoxOptions {
  /**
   * What the box is for and where it belongs (domain, log, contract, ...). A box opens only with
   * the same bytes, so that it cannot be moved elsewhere.
   */
  readonly info: Uint8Array;
  /** Further data that travels openly and must be unchanged. Default none. */
  readonly aad?: Uint8Array;
}

/**
 * Encrypts to the owner of a key. The sender is not proven: sign the box where that matters.
 * @throws CRYPTO_TOO_LARGE, CRYPTO_KEY_INVALID for a key of small order
 */
export async function sealBox(
  recipient: SealingPublicKey,
  plaintext: Uint8Array,
  options: BoxOptions,
): Promise<Uint8Array> {
  if (plaintext.length > maxPlaintextBytes) throw tooLarge(plaintext.length);
  try {
    const sealed = await suite.Seal(recipient.cryptoKey, plaintext, options);
    return Buffer.concat([Uint8Array.of(version), sealed.encapsulatedSecret, sealed.ciphertext]);
  } catch (error) {
    throw new GridError<CryptoErrorCode>(
      'CRYPTO_KEY_INVALID',
      'nothing can be sealed to this key',
      {
        details: { key: recipient.text },
        cause: error,
      },
    );
  }
}

/** @throws CRYPTO_BOX_INVALID, CRYPTO_BOX_UNOPENED, CRYPTO_TOO_LARGE */
export async function openBox(
  key: SealingKey,
  box: Uint8Array,
  options: BoxOptions,
): Promise<Uint8Array> {
  if (box.length < boxOverheadBytes) throw invalid(`a box has at least ${boxOverheadBytes} bytes`);
  if (box[0] !== version) throw invalid(`there is no box version ${box[0]}`);
  if (box.length > maxPlaintextBytes + boxOverheadBytes) throw tooLarge(box.length);
  const encapsulated = box.subarray(1, 1 + encapsulatedBytes);
  const ciphertext = box.subarray(1 + encapsulatedBytes);
  // With both halves at hand HPKE does not have to derive the public one, an experimental call.
  const pair = { privateKey: key.toCryptoKey(), publicKey: key.publicKey.cryptoKey };
  try {
    return await suite.Open(pair, encapsulated, ciphertext, options);
  } catch (error) {
    throw new GridError<CryptoErrorCode>('CRYPTO_BOX_UNOPENED', 'the box does not open', {
      hint: 'it was sealed to another key or for another use, or it was altered',
      details: { key: key.publicKey.text },
      cause: error,
    });
  }
}

/** A box as text: base64url without padding. */
export function boxToText(box: Uint8Array): string {
  return box.toBase64({ alphabet: 'base64url', omitPadding: true });
}

/** @throws CRYPTO_BOX_INVALID, also for a second spelling of the same bytes */
export function boxFromText(text: string): Uint8Array {
  if (/^[A-Za-z0-9_-]*$/.test(text) && text.length % 4 !== 1) {
    const box = Uint8Array.fromBase64(text, { alphabet: 'base64url' });
    if (boxToText(box) === text) return box;
  }
  throw invalid('the text is not base64url');
}

function invalid(message: string): GridError<CryptoErrorCode> {
  return new GridError('CRYPTO_BOX_INVALID', message);
}

function tooLarge(sizeBytes: number): GridError<CryptoErrorCode> {
  return new GridError('CRYPTO_TOO_LARGE', `a box holds ${maxPlaintextBytes} bytes at most`, {
    details: { sizeBytes, maxPlaintextBytes },
  });
}
