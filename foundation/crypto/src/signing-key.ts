import { createPrivateKey, createPublicKey, randomBytes, sign, verify } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { deriveKey } from './derive-key.ts';
import type { Domain } from './domain.ts';
import { isAcceptablePoint, signatureBytes } from './ed25519-point.ts';
import { keyBytes, keyError, keyFromText, keyToText } from './key-text.ts';
import { foreignMessage, prefixedMessage } from './message.ts';
import { wordsToEntropy } from './words.ts';

const kind = 'ed25519';

/**
 * An Ed25519 public key (RFC 8032). Text form: `ed25519:` and base64url of the 32 bytes. Keys of
 * small order and encodings that are not the canonical one do not become a PublicKey.
 */
export class PublicKey {
  readonly bytes: Uint8Array;
  readonly text: string;
  readonly #key: KeyObject;

  private constructor(bytes: Uint8Array) {
    this.bytes = bytes;
    this.text = keyToText(kind, bytes);
    this.#key = createPublicKey({ key: bytes, format: 'raw-public', asymmetricKeyType: kind });
  }

  /** @throws CRYPTO_KEY_INVALID */
  static fromBytes(bytes: Uint8Array): PublicKey {
    if (bytes.length !== keyBytes) throw keyError(`a public key has 32 bytes, not ${bytes.length}`);
    if (!isAcceptablePoint(bytes)) throw keyError('this public key is not safe to accept');
    return new PublicKey(new Uint8Array(bytes));
  }

  /** @throws CRYPTO_KEY_INVALID */
  static fromText(text: string): PublicKey {
    return PublicKey.fromBytes(keyFromText(kind, text));
  }

  /** Whether the owner of this key signed `payload` for this domain. */
  verify(domain: Domain, payload: Uint8Array, signature: Uint8Array): boolean {
    return this.#verify(prefixedMessage(domain, payload), signature);
  }

  /** The counterpart of `SigningKey.signForeign`. */
  verifyForeign(message: Uint8Array, signature: Uint8Array): boolean {
    return this.#verify(foreignMessage(message), signature);
  }

  equals(other: PublicKey): boolean {
    return this.text === other.text;
  }

  toString(): string {
    return this.text;
  }

  toJSON(): string {
    return this.text;
  }

  #verify(message: Uint8Array, signature: Uint8Array): boolean {
    if (signature.length !== signatureBytes) return false;
    if (!isAcceptablePoint(signature.subarray(0, 32))) return false;
    return verify(null, message, this.#key, signature);
  }
}

/** An Ed25519 private key. Printing it or turning it into JSON shows its public key only. */
export class SigningKey {
  readonly publicKey: PublicKey;
  readonly #key: KeyObject;

  private constructor(seed: Uint8Array) {
    this.#key = createPrivateKey({ key: seed, format: 'raw-private', asymmetricKeyType: kind });
    this.publicKey = PublicKey.fromBytes(
      createPublicKey(this.#key).export({ format: 'raw-public' }),
    );
  }

  static generate(): SigningKey {
    return new SigningKey(randomBytes(keyBytes));
  }

  /**
   * The key whose 32 byte seed (RFC 8032, section 5.1.5) this is.
   * @throws CRYPTO_KEY_INVALID
   */
  static fromSeed(seed: Uint8Array): SigningKey {
    if (seed.length !== keyBytes) throw keyError(`a seed has 32 bytes, not ${seed.length}`);
    return new SigningKey(seed);
  }

  /** A further key of the owner of `secret`, for one purpose. */
  static derive(secret: Uint8Array, domain: Domain): SigningKey {
    return new SigningKey(deriveKey(secret, domain));
  }

  /**
   * 64 bytes over the domain, a zero byte and the payload. The same input gives the same signature.
   * @throws CRYPTO_DOMAIN_INVALID
   */
  sign(domain: Domain, payload: Uint8Array): Uint8Array {
    return this.#sign(prefixedMessage(domain, payload));
  }

  /**
   * Signs the bare bytes of somebody else's format (a C2SP note, a JWT), which must keep its own
   * signatures apart.
   * @throws CRYPTO_MESSAGE_PREFIXED for bytes that would pass as a signature of a domain.
   */
  signForeign(message: Uint8Array): Uint8Array {
    return this.#sign(foreignMessage(message));
  }

  /** The secret itself, to be stored or sealed. */
  exportSeed(): Uint8Array {
    return new Uint8Array(this.#key.export({ format: 'raw-private' }));
  }

  #sign(message: Uint8Array): Uint8Array {
    return new Uint8Array(sign(null, message, this.#key));
  }
}

/**
 * A person's root key: the 32 bytes behind the 24 words are its Ed25519 seed, unchanged, so that
 * any tool that knows BIP39 and Ed25519 can recover it. All other keys are derived.
 * @throws CRYPTO_WORDS_INVALID
 */
export function rootKeyFromWords(words: string): SigningKey {
  return SigningKey.fromSeed(wordsToEntropy(words));
}
