import { createCipheriv, createDecipheriv } from 'node:crypto';
import type { ChunkPlace } from './blob.ts';
import { freeBuffer } from './buffer-pool.ts';

/** AES-256-GCM: the tag stands behind the ciphertext. */
export const sealTagBytes = 16;

const algorithm = 'aes-256-gcm';
const nonceBytes = 12;
const domain = Buffer.from('commongrid/zstor-chunk/1\0');
/** Ciphers make a new buffer for each piece: this much is copied out of it, and it freed, in cache. */
const pieceBytes = 64 * 2 ** 10;

/**
 * Encrypts a chunk into the payloads of its data shards: ciphertext, tag, zeros.
 * @param stored the plaintext, or what compression made of it
 */
export function encryptChunk(
  place: ChunkPlace,
  plaintextBytes: number,
  stored: Uint8Array,
  payloads: readonly Uint8Array[],
): void {
  const cipher = createCipheriv(algorithm, place.blob.key, nonceOf(place));
  cipher.setAAD(boundTo(place, plaintextBytes));
  const body = new BodyWriter(payloads);
  for (let at = 0; at < stored.length; at += pieceBytes) {
    const piece = cipher.update(stored.subarray(at, at + pieceBytes));
    body.write(piece);
    freeBuffer(piece);
  }
  cipher.final();
  body.write(cipher.getAuthTag());
  body.fillWithZeros();
}

/**
 * Decrypts what `encryptChunk` made into `stored`, which is as long as what was given to it. It holds
 * nothing that can be trusted before this returns.
 * @throws an error of node:crypto unless key, place and lengths are those that it was given
 */
export function decryptChunk(
  place: ChunkPlace,
  plaintextBytes: number,
  payloads: readonly Uint8Array[],
  stored: Uint8Array,
): void {
  const authTagLength = sealTagBytes;
  const decipher = createDecipheriv(algorithm, place.blob.key, nonceOf(place), { authTagLength });
  decipher.setAAD(boundTo(place, plaintextBytes));
  const tag: Uint8Array[] = [];
  let left = stored.length;
  for (const payload of payloads) {
    const ciphertext = payload.subarray(0, left);
    for (let at = 0; at < ciphertext.length; at += pieceBytes) {
      const piece = decipher.update(ciphertext.subarray(at, at + pieceBytes));
      stored.set(piece, stored.length - left);
      left -= piece.length;
      freeBuffer(piece);
    }
    if (left === 0) tag.push(payload.subarray(ciphertext.length));
  }
  decipher.setAuthTag(Buffer.concat(tag).subarray(0, sealTagBytes));
  decipher.final();
}

/** Writes bytes one after the other into payloads, which do not lie side by side. */
class BodyWriter {
  readonly #payloads: readonly Uint8Array[];
  #current = 0;
  #at = 0;

  constructor(payloads: readonly Uint8Array[]) {
    this.#payloads = payloads;
  }

  write(bytes: Uint8Array): void {
    for (let from = 0; from < bytes.length;) {
      const room = this.#room();
      const part = bytes.subarray(from, from + room.length);
      room.set(part);
      this.#at += part.length;
      from += part.length;
    }
  }

  fillWithZeros(): void {
    this.#payloads[this.#current]?.fill(0, this.#at);
    for (const payload of this.#payloads.slice(this.#current + 1)) payload.fill(0);
  }

  /** What is left of the first payload that is not full. */
  #room(): Uint8Array {
    for (;;) {
      const payload = this.#payloads[this.#current];
      if (payload === undefined) throw new RangeError('the body is longer than its payloads');
      if (this.#at < payload.length) return payload.subarray(this.#at);
      this.#current++;
      this.#at = 0;
    }
  }
}

function nonceOf({ index }: ChunkPlace): Buffer {
  const nonce = Buffer.alloc(nonceBytes);
  nonce.writeUInt32BE(index, nonceBytes - 4);
  return nonce;
}

/** What is authenticated beside the ciphertext. */
function boundTo({ blob, index, isLast }: ChunkPlace, plaintextBytes: number): Buffer {
  const numbers = Buffer.alloc(9);
  numbers.writeUInt32BE(index, 0);
  numbers.writeUInt32BE(plaintextBytes, 4);
  numbers.writeUInt8(isLast ? 1 : 0, 8);
  return Buffer.concat([domain, blob.id, numbers]);
}
