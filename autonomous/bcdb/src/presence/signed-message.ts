import { GridError, isGridError } from '@commongrid/base';
import { canonicalBytes, parseCanonical, signatureBytes } from '@commongrid/crypto';
import type { Domain, SigningKey } from '@commongrid/crypto';
import { Type } from 'typebox';
import type { Static, TSchema } from 'typebox';
import { Compile } from 'typebox/compile';
import type { BcdbErrorCode } from '../errors.ts';

/** Longest heartbeat or renewal with its signature, bytes. */
export const messageBytesMax = 1024;

/** Fields that several messages have. */
export const field = {
  /** SHA-256, base64url. */
  hash: Type.String({ pattern: '^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$' }),
  /** 16 random bytes, base64url. */
  nonce: Type.String({ pattern: '^[A-Za-z0-9_-]{21}[AQgw]$' }),
  counter: Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER }),
  size: Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER }),
} as const;

/**
 * An epoch that no run of a sequencer has: a message with it is refused with BCDB_EPOCH_OVER, whose
 * `details.epoch` is the present one.
 */
export const unknownEpoch = 'A'.repeat(22);

/**
 * A kind of message that is signed and not logged: canonical JSON and 64 bytes of Ed25519 signature
 * behind it, for a domain of its own.
 */
export class SignedMessage<S extends TSchema> {
  readonly domain: Domain;
  readonly #fits: (value: unknown) => value is Static<S>;

  constructor(domain: Domain, schema: S) {
    this.domain = domain;
    const validator = Compile(schema);
    this.#fits = (value): value is Static<S> => validator.Check(value);
  }

  sign(key: SigningKey, value: Static<S>): Uint8Array {
    const payload = canonicalBytes(value);
    return Buffer.concat([payload, key.sign(this.domain, payload)]);
  }

  /**
   * What a message says; whether it is signed remains to be seen.
   * @throws BCDB_REQUEST_INVALID
   */
  read(bytes: Uint8Array): Static<S> {
    if (bytes.length > messageBytesMax) throw invalid(`${bytes.length} bytes are too long for one`);
    let value: unknown;
    try {
      value = parseCanonical(bytes.subarray(0, -signatureBytes));
    } catch (error) {
      if (isGridError(error))
        throw invalid('it is no canonical JSON with a signature behind', error);
      throw error;
    }
    if (this.#fits(value)) return value;
    throw invalid('its fields are not those of its kind');
  }
}

function invalid(reason: string, cause?: unknown): GridError<BcdbErrorCode> {
  return new GridError('BCDB_REQUEST_INVALID', `no heartbeat or renewal: ${reason}`, {
    hint: 'docs/formats/bcdb-presence.md',
    cause,
  });
}
