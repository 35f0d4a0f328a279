import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';

const nonceBytes = 12;
const tagBytes = 16;

/**
 * AES-256-GCM under a random nonce.
 * @param about is authenticated with it: what it is, and whose
 * @param before comes in front of it, as it is
 * @returns nonce, ciphertext, tag
 */
export function sealBytes(
  key: Uint8Array,
  plaintext: Uint8Array,
  about: Uint8Array,
  before: Uint8Array = new Uint8Array(),
): Buffer {
  const nonce = randomBytes(nonceBytes);
  const cipher = createCipheriv('aes-256-gcm', key, nonce);
  cipher.setAAD(about);
  const sealed = [cipher.update(plaintext), cipher.final(), cipher.getAuthTag()];
  return Buffer.concat([before, nonce, ...sealed]);
}

/** @returns undefined when it was not sealed with this key and about this */
export function openBytes(
  key: Uint8Array,
  sealed: Uint8Array,
  about: Uint8Array,
): Buffer | undefined {
  if (sealed.length < nonceBytes + tagBytes) return undefined;
  const nonce = sealed.subarray(0, nonceBytes);
  const decipher = createDecipheriv('aes-256-gcm', key, nonce, { authTagLength: tagBytes });
  decipher.setAAD(about);
  decipher.setAuthTag(sealed.subarray(-tagBytes));
  const opened = decipher.update(sealed.subarray(nonceBytes, -tagBytes));
  try {
    return Buffer.concat([opened, decipher.final()]);
  } catch {
    return undefined;
  }
}
