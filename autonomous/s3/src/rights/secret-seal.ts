import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';

const nonceBytes = 12;
const tagBytes = 16;

/** Keeps secrets of access keys unreadable in tables, logs and snapshots. */
export class SecretSeal {
  readonly #key: Buffer;

  /** @param key 32 bytes, which are in no table */
  constructor(key: Buffer) {
    this.#key = key;
  }

  /** @returns nonce, ciphertext, tag: AES-256-GCM, bound to the access key */
  seal(accessKey: string, secretKey: string): Buffer {
    const nonce = randomBytes(nonceBytes);
    const cipher = createCipheriv('aes-256-gcm', this.#key, nonce);
    cipher.setAAD(Buffer.from(accessKey));
    const sealed = [cipher.update(secretKey, 'utf8'), cipher.final()];
    return Buffer.concat([nonce, ...sealed, cipher.getAuthTag()]);
  }

  /** @throws what node:crypto throws for what was not sealed so */
  open(accessKey: string, sealed: Buffer): string {
    const nonce = sealed.subarray(0, nonceBytes);
    const options = { authTagLength: tagBytes };
    const decipher = createDecipheriv('aes-256-gcm', this.#key, nonce, options);
    decipher.setAAD(Buffer.from(accessKey));
    decipher.setAuthTag(sealed.subarray(-tagBytes));
    const opened = decipher.update(sealed.subarray(nonceBytes, -tagBytes));
    return Buffer.concat([opened, decipher.final()]).toString('utf8');
  }
}
