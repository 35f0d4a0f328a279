import { GridError } from '@commongrid/base/browser';
import type { CryptoErrorCode } from './errors.ts';

/** Bytes of each key of this package, public or private. */
export const keyBytes = 32;

/** `ed25519:` or `x25519:` and 43 characters of base64url without padding. */
export function keyToText(kind: string, bytes: Uint8Array): string {
  return `${kind}:${bytes.toBase64({ alphabet: 'base64url', omitPadding: true })}`;
}

/**
 * The 32 bytes of such a text. There is one text for each key: what does not come out again as it
 * went in (stray bits in the last character, padding) is refused.
 * @throws CRYPTO_KEY_INVALID
 */
export function keyFromText(kind: string, text: string): Uint8Array {
  const encoded = text.slice(kind.length + 1);
  if (text.startsWith(`${kind}:`) && /^[A-Za-z0-9_-]{43}$/.test(encoded)) {
    const bytes = Uint8Array.fromBase64(encoded, { alphabet: 'base64url' });
    if (keyToText(kind, bytes) === text) return bytes;
  }
  throw keyError(`this is no key of the form ${kind}:…`);
}

export function keyError(message: string): GridError<CryptoErrorCode> {
  return new GridError('CRYPTO_KEY_INVALID', message);
}
