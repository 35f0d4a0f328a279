import { ed25519 } from '@noble/curves/ed25519.js';
import { sha512 } from '@noble/hashes/sha2.js';
import type { Domain } from './domain.ts';
import { isAcceptablePoint, signatureBytes } from './ed25519-point.ts';
import { keyBytes, keyError, keyFromText } from './key-text.ts';
import { foreignMessage, prefixedMessage } from './message.ts';

const { Point } = ed25519;
type Point = ReturnType<typeof Point.fromBytes>;

/**
 * Verifies as `PublicKey.verify` does, where there is no node:crypto: whether the owner of the key
 * signed `payload` for this domain. About a millisecond.
 * @throws CRYPTO_KEY_INVALID, CRYPTO_DOMAIN_INVALID
 */
export function verifySignature(
  keyText: string,
  domain: Domain,
  payload: Uint8Array,
  signature: Uint8Array,
): boolean {
  return verify(publicKeyBytes(keyText), prefixedMessage(domain, payload), signature);
}

/**
 * The counterpart of `SigningKey.signForeign`: verifies as `PublicKey.verifyForeign` does.
 * @throws CRYPTO_KEY_INVALID, CRYPTO_MESSAGE_PREFIXED
 */
export function verifyForeignSignature(
  keyText: string,
  message: Uint8Array,
  signature: Uint8Array,
): boolean {
  return verify(publicKeyBytes(keyText), foreignMessage(message), signature);
}

/**
 * The 32 bytes of the text of a public key that may be accepted.
 * @throws CRYPTO_KEY_INVALID
 */
export function publicKeyBytes(keyText: string): Uint8Array {
  const bytes = keyFromText('ed25519', keyText);
  if (!isAcceptablePoint(bytes)) throw keyError('this public key is not safe to accept');
  return bytes;
}

/**
 * [S]B = R + [k]A (RFC 8032, section 5.1.7), without the cofactor: the equation that OpenSSL checks.
 * The library's own `verify` multiplies both sides by 8 and so accepts signatures that OpenSSL
 * refuses; replicas must not part over them.
 */
function verify(key: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  if (signature.length !== signatureBytes) return false;
  const encodedR = signature.subarray(0, keyBytes);
  const s = littleEndian(signature.subarray(keyBytes));
  if (!isAcceptablePoint(encodedR) || s >= Point.Fn.ORDER) return false;
  const [a, r] = [decodePoint(key), decodePoint(encodedR)];
  if (a === undefined || r === undefined) return false;
  const hash = sha512.create().update(encodedR).update(key).update(message).digest();
  const k = Point.Fn.create(littleEndian(hash));
  return r.add(a.multiplyUnsafe(k)).equals(Point.BASE.multiplyUnsafe(s));
}

/** Undefined where the curve has no point with this y. */
function decodePoint(bytes: Uint8Array): Point | undefined {
  try {
    return Point.fromBytes(bytes);
  } catch {
    return undefined;
  }
}

function littleEndian(bytes: Uint8Array): bigint {
  return BigInt(`0x${bytes.toReversed().toHex()}`);
}
