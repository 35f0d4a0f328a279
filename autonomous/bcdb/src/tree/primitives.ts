import type { Domain } from '@commongrid/crypto/browser';
import type { TreeHasher, Sha256 } from './merkle.ts';

/**
 * The cryptography that verification needs: node:crypto on a server, the noble packages in a
 * browser. Both decide alike on every signature.
 */
export interface Primitives {
  readonly hasher: TreeHasher;
  readonly sha256: Sha256;
  /** The 32 bytes of the text of a key. @throws CRYPTO_KEY_INVALID */
  keyBytes(key: string): Uint8Array;
  /** @throws CRYPTO_KEY_INVALID */
  verify(key: string, domain: Domain, payload: Uint8Array, signature: Uint8Array): boolean;
  /** Over bare bytes, as in notes. @throws CRYPTO_KEY_INVALID */
  verifyForeign(key: string, message: Uint8Array, signature: Uint8Array): boolean;
}
