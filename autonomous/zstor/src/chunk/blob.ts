import { GridError, systemRandom } from '@commongrid/base';
import type { Random } from '@commongrid/base';
import type { ZstorErrorCode } from '../errors.ts';

/** Most chunks of a blob: their index is 32 bits of the nonce and of what is authenticated. */
export const blobChunksMax = 2 ** 32;

/** One object, or one uploaded part of it. Its key encrypts nothing else. */
export interface BlobSecret {
  /** 16 bytes */
  readonly id: Uint8Array;
  /** 32 bytes. Kept wrapped by the key of the bucket. */
  readonly key: Uint8Array;
}

/** Where in a blob a chunk stands: what its encryption is bound to. */
export interface ChunkPlace {
  readonly blob: BlobSecret;
  readonly index: number;
  /** Says that nothing follows, so that a blob cannot be cut short unnoticed. */
  readonly isLast: boolean;
}

/**
 * A blob that is being written. It gives each place away once: the index is the nonce, and two
 * plaintexts under one key and nonce would betray both. Whoever begins again takes a new blob.
 */
export class Blob {
  readonly secret: BlobSecret;
  #nextIndex = 0;
  #hasEnded = false;

  constructor(random: Random = systemRandom) {
    this.secret = { id: random.bytes(16), key: random.bytes(32) };
  }

  /** @throws ZSTOR_BLOB_ENDED after the last place */
  nextPlace(isLast: boolean): ChunkPlace {
    if (this.#hasEnded || this.#nextIndex === blobChunksMax) throw ended(this.#nextIndex);
    this.#hasEnded = isLast;
    return { blob: this.secret, index: this.#nextIndex++, isLast };
  }
}

function ended(chunkCount: number): GridError<ZstorErrorCode> {
  return new GridError('ZSTOR_BLOB_ENDED', `the blob has ended with ${chunkCount} chunks`, {
    details: { chunkCount },
  });
}
