import { createHash } from 'node:crypto';

import { GridError } from '@commongrid/base';

import type { FlistErrorCode } from '../errors.ts';

/** Name of a blob by its content: `sha256:` or `sha512:` and lowercase hex digits. */
export type OciDigest = string & { readonly OciDigest: unique symbol };

/** Undefined for what is no digest, or one of an algorithm that images do not have. */
export function parseOciDigest(text: unknown): OciDigest | undefined {
  const isDigest =
    typeof text === 'string' && /^(?:sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$/.test(text);
  return isDigest ? (text as OciDigest) : undefined;
}

export function ociDigestOf(bytes: Uint8Array): OciDigest {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}` as OciDigest;
}

export interface VerifiedStreamOptions {
  readonly digest: OciDigest;
  /** Undefined when it is not known. */
  readonly sizeBytes?: number | undefined;
  /** For errors: `layer sha256:...`. */
  readonly what: string;
}

/**
 * Passes a stream on and fails at its end when the bytes were others than was promised, or as soon
 * as there are too many. Whoever reads it must not trust what came before its end.
 */
export class VerifiedStream implements AsyncIterable<Uint8Array> {
  readonly #source: AsyncIterable<Uint8Array>;
  readonly #options: VerifiedStreamOptions;
  #isVerified = false;

  constructor(source: AsyncIterable<Uint8Array>, options: VerifiedStreamOptions) {
    this.#source = source;
    this.#options = options;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void, void> {
    const { digest, sizeBytes } = this.#options;
    const hash = createHash(digest.slice(0, digest.indexOf(':')));
    let bytes = 0;
    for await (const piece of this.#source) {
      bytes += piece.length;
      if (sizeBytes !== undefined && bytes > sizeBytes)
        throw this.#corrupt('is longer than it says');
      hash.update(piece);
      yield piece;
    }
    if (sizeBytes !== undefined && bytes < sizeBytes)
      throw this.#corrupt('is shorter than it says');
    if (hash.digest('hex') !== digest.slice(digest.indexOf(':') + 1)) {
      throw this.#corrupt('has other bytes than its digest says');
    }
    this.#isVerified = true;
  }

  /** @throws FLIST_BLOB_CORRUPT unless all was read and found right */
  assertVerified(): void {
    if (!this.#isVerified) throw this.#corrupt('has bytes behind its end');
  }

  #corrupt(why: string): GridError<FlistErrorCode> {
    const { what, digest } = this.#options;
    return new GridError('FLIST_BLOB_CORRUPT', `${what} ${why}`, {
      hint: 'fetch the image again; if that does not help, it is damaged where it is kept',
      details: { what, digest },
    });
  }
}

/** All of a small blob, verified. `options.sizeBytes` is what it may have at most when known. */
export async function readVerified(
  source: AsyncIterable<Uint8Array>,
  options: VerifiedStreamOptions & { readonly bytesMax: number },
): Promise<Buffer> {
  return readBounded(new VerifiedStream(source, options), options.bytesMax, options.what);
}

/** @throws FLIST_TOO_LARGE */
export async function readBounded(
  source: AsyncIterable<Uint8Array>,
  bytesMax: number,
  what: string,
): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  let bytes = 0;
  for await (const piece of source) {
    bytes += piece.length;
    if (bytes > bytesMax) {
      throw new GridError<FlistErrorCode>('FLIST_TOO_LARGE', `${what} has over ${bytesMax} bytes`, {
        details: { what, bytesMax },
      });
    }
    pieces.push(piece);
  }
  return Buffer.concat(pieces);
}
