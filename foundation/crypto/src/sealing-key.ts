import { createPrivateKey, createPublicKey, randomBytes } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { deriveKey } from './derive-key.ts';
import type { Domain } from './domain.ts';
import { keyBytes, keyError, keyFromText, keyToText } from './key-text.ts';

const kind = 'x25519';
const sealDomain: Domain = 'commongrid/seal/1';

/**
 * An X25519 public key (RFC 7748), to which boxes are sealed. Text form: `x25519:` and base64url of
 * the 32 bytes.
 */
export class SealingPublicKey {
  readonly bytes: Uint8Array;
  readonly text: string;
  /** For WebCrypto. */
  readonly cryptoKey: CryptoKey;

  private constructor(bytes: Uint8Array) {
    this.bytes = bytes;
    this.text = keyToText(kind, bytes);
    const key = createPublicKey({ key: bytes, format: 'raw-public', asymmetricKeyType: kind });
    this.cryptoKey = key.toCryptoKey('X25519', true, []);
  }

  /** @throws CRYPTO_KEY_INVALID */
  static fromBytes(bytes: Uint8Array): SealingPublicKey {
    if (bytes.length !== keyBytes)
      throw keyError(`a sealing key has 32 bytes, not ${bytes.length}`);
    return new SealingPublicKey(new Uint8Array(bytes));
  }

  /** @throws CRYPTO_KEY_INVALID */
  static fromText(text: string): SealingPublicKey {
    return SealingPublicKey.fromBytes(keyFromText(kind, text));
  }

  toString(): string {
    return this.text;
  }

  toJSON(): string {
    return this.text;
  }
}

/** An X25519 private key, which opens boxes. Printing it shows its public key only. */
export class SealingKey {
  readonly publicKey: SealingPublicKey;
  readonly #key: KeyObject;

  private constructor(secret: Uint8Array) {
    this.#key = createPrivateKey({ key: secret, format: 'raw-private', asymmetricKeyType: kind });
    this.publicKey = SealingPublicKey.fromBytes(
      createPublicKey(this.#key).export({ format: 'raw-public' }),
    );
  }

  static generate(): SealingKey {
    return new SealingKey(randomBytes(keyBytes));
  }

  /** @throws CRYPTO_KEY_INVALID */
  static fromBytes(secret: Uint8Array): SealingKey {
    if (secret.length !== keyBytes) throw keyError(`a secret has 32 bytes, not ${secret.length}`);
    return new SealingKey(secret);
  }

  /** The sealing key that belongs to a root secret, such as the entropy behind the words. */
  static derive(secret: Uint8Array, domain: Domain = sealDomain): SealingKey {
    return new SealingKey(deriveKey(secret, domain));
  }

  /** For WebCrypto; it cannot be exported from there. */
  toCryptoKey(): CryptoKey {
    return this.#key.toCryptoKey('X25519', false, ['deriveBits']);
  }

  /** The secret itself, to be stored or sealed. */
  exportBytes(): Uint8Array {
    return new Uint8Array(this.#key.export({ format: 'raw-private' }));
  }
}
