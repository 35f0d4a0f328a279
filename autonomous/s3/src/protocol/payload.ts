import { createHash } from 'node:crypto';
import type { Hash } from 'node:crypto';

import { freeBuffer } from '@commongrid/zstor';

import { checksumHeader, checksumStream, parseChecksum } from './checksum.ts';
import type { Checksum, ChecksumAlgorithm, ChecksumStream } from './checksum.ts';
import { ChunkedDecoder } from './chunked-decoder.ts';
import type { PayloadPlan } from './payload-plan.ts';
import { S3Error } from './s3-error.ts';
import type { SignatureChain } from './signature.ts';

/** Where the bytes of a body come from, in buffers that nobody else has: undefined at its end. */
export type PieceSource = () => Promise<Buffer | undefined>;

/** What is known of a body that was read to its end and found right. */
export interface PayloadDigests {
  readonly sizeBytes: number;
  /** Hex, when it was asked for or came as Content-MD5. */
  readonly md5: string | undefined;
  /** The one that the client sent, else the one that was asked for. */
  readonly checksum: Checksum | undefined;
}

export interface PayloadOptions {
  readonly plan: PayloadPlan;
  readonly source: PieceSource;
  /** Of a body whose chunks are signed. */
  readonly chain?: SignatureChain;
}

/**
 * The data of a request's body. Nothing of it counts before `next` has answered undefined: only
 * then are length, signatures, MD5 and checksum verified.
 */
export class Payload {
  /** Bytes of data that are announced; undefined when only the end will tell. */
  readonly sizeBytes: number | undefined;
  readonly #plan: PayloadPlan;
  readonly #source: PieceSource;
  readonly #decoder: ChunkedDecoder | undefined;
  readonly #sha256: Hash | undefined;
  #md5: Hash | undefined;
  #algorithm: ChecksumAlgorithm | undefined;
  #checksum: ChecksumStream | undefined;
  #decoded: Buffer[] = [];
  /** What the source gave last, to be freed once all of it was used. */
  #piece: Buffer | undefined;
  #isFreed = false;
  #receivedBytes = 0;
  #wireBytes = 0;
  #hasBegun = false;
  #digests: PayloadDigests | undefined;

  constructor(options: PayloadOptions) {
    const { plan } = options;
    this.#plan = plan;
    this.#source = options.source;
    this.sizeBytes = plan.sizeBytes;
    this.#decoder = decoderOf(plan, options.chain);
    this.#sha256 = plan.sha256 === undefined ? undefined : createHash('sha256');
    this.#md5 = plan.contentMd5 === undefined ? undefined : createHash('md5');
    this.#algorithm = plan.checksum?.algorithm ?? plan.trailer;
    if (this.#algorithm !== undefined) this.#checksum = checksumStream(this.#algorithm);
  }

  /** What the client says the checksum is of, or undefined; known before the body. */
  get checksumAlgorithm(): ChecksumAlgorithm | undefined {
    return this.#algorithm;
  }

  /**
   * Asks for more than the client made necessary, before the first `next`. Who computes the MD5
   * elsewhere, in a worker, does not ask for it. A checksum of the client has precedence.
   */
  compute(wanted: { readonly md5?: boolean; readonly checksum?: ChecksumAlgorithm }): void {
    if (this.#hasBegun) throw new Error('the payload is being read');
    if (wanted.md5 === true) this.#md5 ??= createHash('md5');
    if (wanted.checksum !== undefined && this.#algorithm === undefined) {
      this.#algorithm = wanted.checksum;
      this.#checksum = checksumStream(wanted.checksum);
    }
  }

  /**
   * The next piece of data, of any length but 0; undefined once all came and all of it is right.
   * @throws S3Error for a body that is not what the request says
   */
  async next(): Promise<Buffer | undefined> {
    this.#hasBegun = true;
    for (;;) {
      const kept = this.#decoded.shift();
      if (kept !== undefined) return kept;
      this.#free();
      if (this.#digests !== undefined) return undefined;
      // With all of them here, the end of a body whose length is known is not worth a wait.
      const isWhole = this.#wireBytes === this.#plan.wireBytes;
      const piece = isWhole ? undefined : await this.#source();
      if (piece === undefined) {
        this.#finish();
        return undefined;
      }
      this.#piece = piece;
      this.#wireBytes += piece.length;
      if (this.#decoder === undefined) this.#take(piece);
      else this.#decoder.push(piece, (data) => this.#take(data));
    }
  }

  /** The same: a piece may be used until the next is asked for, then its memory is freed. */
  async *[Symbol.asyncIterator](): AsyncGenerator<Buffer, void> {
    this.#isFreed = true;
    for (let piece = await this.next(); piece !== undefined; piece = await this.next()) yield piece;
  }

  /**
   * All data at once.
   * @throws S3Error with the code `tooLarge` beyond `bytesMax`, and whatever `next` throws
   */
  async bytes(
    bytesMax: number,
    tooLarge: 'EntityTooLarge' | 'MaxMessageLengthExceeded' = 'MaxMessageLengthExceeded',
  ): Promise<Buffer> {
    if ((this.sizeBytes ?? 0) > bytesMax) throw new S3Error(tooLarge);
    const pieces: Buffer[] = [];
    let size = 0;
    for (let piece = await this.next(); piece !== undefined; piece = await this.next()) {
      size += piece.length;
      if (size > bytesMax) throw new S3Error(tooLarge);
      pieces.push(piece);
    }
    const [only] = pieces;
    return pieces.length === 1 && only !== undefined ? only : Buffer.concat(pieces, size);
  }

  /** Present once `next` has answered undefined. */
  get digests(): PayloadDigests {
    if (this.#digests === undefined) throw new Error('the payload was not read to its end');
    return this.#digests;
  }

  /** Left to the collector they would call it more often than all else that a request makes. */
  #free(): void {
    if (this.#isFreed && this.#piece !== undefined) freeBuffer(this.#piece);
    this.#piece = undefined;
  }

  #take(data: Buffer): void {
    this.#receivedBytes += data.length;
    this.#sha256?.update(data);
    this.#md5?.update(data);
    this.#checksum?.update(data);
    if (data.length > 0) this.#decoded.push(data);
  }

  #finish(): void {
    const trailers = this.#decoder?.end();
    const { sizeBytes, sha256, contentMd5 } = this.#plan;
    if (sizeBytes !== undefined && sizeBytes !== this.#receivedBytes) {
      throw new S3Error('IncompleteBody');
    }
    if (this.#sha256 !== undefined && this.#sha256.digest('hex') !== sha256) {
      throw new S3Error('XAmzContentSHA256Mismatch');
    }
    const md5 = this.#md5?.digest();
    if (contentMd5 !== undefined && md5?.toString('base64') !== contentMd5) {
      throw new S3Error('BadDigest', 'The Content-MD5 you specified did not match what came.');
    }
    this.#digests = {
      sizeBytes: this.#receivedBytes,
      md5: md5?.toString('hex'),
      checksum: this.#verifyChecksum(trailers),
    };
  }

  #verifyChecksum(trailers: ReadonlyMap<string, string> | undefined): Checksum | undefined {
    const algorithm = this.#algorithm;
    if (algorithm === undefined || this.#checksum === undefined) return undefined;
    const value = this.#checksum.digest().toString('base64');
    const given = this.#plan.checksum?.value ?? this.#trailerOf(trailers);
    if (given !== undefined && given !== value) {
      throw new S3Error(
        'BadDigest',
        `The ${algorithm} you specified did not match the calculated checksum.`,
      );
    }
    return { algorithm, value };
  }

  #trailerOf(trailers: ReadonlyMap<string, string> | undefined): string | undefined {
    const { trailer } = this.#plan;
    if (trailer === undefined) return undefined;
    const value = trailers?.get(checksumHeader(trailer));
    if (value === undefined) {
      throw new S3Error(
        'MalformedTrailerError',
        `The trailer ${checksumHeader(trailer)} is missing.`,
      );
    }
    return parseChecksum(trailer, value).value;
  }
}

function decoderOf(
  { framing, sizeBytes, trailer }: PayloadPlan,
  chain: SignatureChain | undefined,
): ChunkedDecoder | undefined {
  if (framing === undefined) return undefined;
  if (framing.isSigned && chain === undefined) {
    throw new S3Error('AccessDenied', 'Chunks can only be signed in a signed request.');
  }
  const names = trailer === undefined ? [] : [checksumHeader(trailer)];
  return new ChunkedDecoder({
    sizeBytes: sizeBytes ?? 0,
    ...(framing.isSigned && chain !== undefined ? { chain } : {}),
    ...(framing.hasTrailers ? { trailerNames: names } : {}),
  });
}
