import { createHmac } from 'node:crypto';

/** Derived keys that are kept: a day of so many access keys. */
const signingKeysMax = 1024;

/** Where and when a key signs. */
export interface SigningScope {
  /** Such as `20130524`. */
  readonly day: string;
  readonly region: string;
}

/** Keys that sign, derived once a day and access key; the one derived longest ago makes room. */
export class SigningKeys {
  readonly #keys = new Map<string, { readonly secret: string; readonly key: Buffer }>();

  keyOf(accessKey: string, secret: string, scope: SigningScope): Buffer {
    const name = `${scope.day}/${scope.region}/${accessKey}`;
    const kept = this.#keys.get(name);
    // A key whose secret was changed is another key.
    if (kept?.secret === secret) return kept.key;
    const key = signingKey(secret, scope);
    this.#keys.delete(name);
    if (this.#keys.size >= signingKeysMax) {
      for (const oldest of this.#keys.keys()) {
        this.#keys.delete(oldest);
        break;
      }
    }
    this.#keys.set(name, { secret, key });
    return key;
  }
}

/** The key of one day, region and secret for the service `s3`. */
export function signingKey(secret: string, scope: SigningScope): Buffer {
  const day = hmac(`AWS4${secret}`, scope.day);
  const region = hmac(day, scope.region);
  return hmac(hmac(region, 's3'), 'aws4_request');
}

function hmac(key: string | Buffer, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest();
}

/** A signature in hex. */
export function sign(key: Buffer, text: string): string {
  return createHmac('sha256', key).update(text).digest('hex');
}
