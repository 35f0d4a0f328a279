import { ed25519 } from '@noble/curves/ed25519.js';
import type { Domain } from './domain.ts';
import { keyBytes, keyError, keyToText } from './key-text.ts';
import { prefixedMessage } from './message.ts';

/**
 * Signs as `SigningKey` does, where there is no node:crypto: the same seed is the same key and gives
 * the same signatures. Printing it or turning it into JSON shows its public key only.
 */
export class BrowserSigningKey {
  readonly publicKey: { readonly text: string };
  readonly #seed: Uint8Array;

  private constructor(seed: Uint8Array) {
    this.#seed = seed;
    this.publicKey = { text: keyToText('ed25519', ed25519.getPublicKey(seed)) };
  }

  static generate(): BrowserSigningKey {
    return new BrowserSigningKey(crypto.getRandomValues(new Uint8Array(keyBytes)));
  }

  /** @throws CRYPTO_KEY_INVALID */
  static fromSeed(seed: Uint8Array): BrowserSigningKey {
    if (seed.length !== keyBytes) throw keyError(`a seed has 32 bytes, not ${seed.length}`);
    return new BrowserSigningKey(new Uint8Array(seed));
  }

  /**
   * 64 bytes over the domain, a zero byte and the payload.
   * @throws CRYPTO_DOMAIN_INVALID
   */
  sign(domain: Domain, payload: Uint8Array): Uint8Array {
    return ed25519.sign(prefixedMessage(domain, payload), this.#seed);
  }

  /** The secret itself, to be stored. */
  exportSeed(): Uint8Array {
    return new Uint8Array(this.#seed);
  }

  toString(): string {
    return this.publicKey.text;
  }

  toJSON(): string {
    return this.publicKey.text;
  }
}
