import { createHash } from 'node:crypto';

import { checksumStream } from '../protocol/checksum.ts';
import type { Checksum, ChecksumAlgorithm } from '../protocol/checksum.ts';

/** Computes MD5 and a checksum of a stream while it passes. */
export class Digested implements AsyncIterable<Uint8Array> {
  readonly #source: AsyncIterable<Uint8Array>;
  readonly #md5 = createHash('md5');
  readonly #algorithm: ChecksumAlgorithm | undefined;
  readonly #checksum: ReturnType<typeof checksumStream> | undefined;

  constructor(source: AsyncIterable<Uint8Array>, algorithm: ChecksumAlgorithm | undefined) {
    this.#source = source;
    this.#algorithm = algorithm;
    this.#checksum = algorithm && checksumStream(algorithm);
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void> {
    for await (const piece of this.#source) {
      this.#md5.update(piece);
      this.#checksum?.update(piece);
      yield piece;
    }
  }

  /** Once, after the stream has ended. */
  end(): { readonly md5: string; readonly checksum: Checksum | undefined } {
    const value = this.#checksum?.digest().toString('base64');
    const algorithm = this.#algorithm;
    const checksum = algorithm && value !== undefined ? { algorithm, value } : undefined;
    return { md5: this.#md5.digest('hex'), checksum };
  }
}
