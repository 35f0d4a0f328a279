import { createCipheriv, createDecipheriv } from 'node:crypto';
import type { ChunkPlace } from './blob.ts';

/** AES-256-GCM: the tag stands behind the ciphertext. */
export const sealTagBytes = 16;

const algorithm = 'aes-256-gcm';
const nonceBytes = 12;
const domain = Buffer.from('commongrid/zstor-chunk/1\0');

/**
 * Encrypts a chunk into the payloads of its data shards: ciphertext, tag, zeros. It goes payload by
 * payload, which keeps what was just made in the cache and needs no copy.
 *
 * @param stored the plaintext, or what compression made of it
 */
export function encryptChunk(
  place: ChunkPlace,
  plaintextBytes: number,
  stored: Uint8Array,
  payloadBytes: number,
  dataShards: number,
): Uint8Array[] {
  const cipher = createCipheriv(algorithm, place.blob.key, nonceOf(place));
  cipher.setAAD(bound(place, plaintextBytes));
  const payloads: Uint8Array[] = [];
  let at = 0;
  for (; at + payloadBytes <= stored.length; at += payloadBytes) {
    payloads.push(cipher.update(stored.subarray(at, at + payloadBytes)));
  }
  const rest = cipher.update(stored.subarray(at));
  cipher.final();
  const tail = Buffer.alloc((dataShards - payloads.length) * payloadBytes);
  tail.set(rest);
  tail.set(cipher.getAuthTag(), rest.length);
  for (at = 0; at < tail.length; at += payloadBytes) {
    payloads.push(tail.subarray(at, at + payloadBytes));
  }
  return payloads;
}

/**
 * What was given to `encryptChunk`, in pieces.
 * @throws an error of node:crypto unless key, place and length are those that it was given
 */
export function decryptChunk(
  place: ChunkPlace,
  plaintextBytes: number,
  payloads: readonly Uint8Array[],
  storedBytes: number,
): Uint8Array[] {
  const decipher = createDecipheriv(algorithm, place.blob.key, nonceOf(place), {
    authTagLength: sealTagBytes,
  });
  decipher.setAAD(bound(place, plaintextBytes));
  const pieces: Uint8Array[] = [];
  const tag: Uint8Array[] = [];
  let at = 0;
  for (const payload of payloads) {
    const ciphertext = payload.subarray(0, Math.max(0, storedBytes - at));
    if (ciphertext.length > 0) pieces.push(decipher.update(ciphertext));
    tag.push(payload.subarray(ciphertext.length, Math.max(0, storedBytes + sealTagBytes - at)));
    at += payload.length;
  }
  decipher.setAuthTag(Buffer.concat(tag));
  decipher.final();
  return pieces;
}

function nonceOf({ index }: ChunkPlace): Buffer {
  const nonce = Buffer.alloc(nonceBytes);
  nonce.writeUInt32BE(index, nonceBytes - 4);
  return nonce;
}

/** What is authenticated beside the ciphertext. */
function bound({ blob, index, isLast }: ChunkPlace, plaintextBytes: number): Buffer {
  const numbers = Buffer.alloc(9);
  numbers.writeUInt32BE(index, 0);
  numbers.writeUInt32BE(plaintextBytes, 4);
  numbers.writeUInt8(isLast ? 1 : 0, 8);
  return Buffer.concat([domain, blob.id, numbers]);
}
