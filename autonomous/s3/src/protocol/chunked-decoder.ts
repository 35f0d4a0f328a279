import { createHash, hash } from 'node:crypto';
import type { Hash } from 'node:crypto';

import { S3Error } from './s3-error.ts';
import { isSameSignature } from './signature.ts';
import type { SignatureChain } from './signature.ts';
import { sign } from './signing-key.ts';

/** Longest line between chunks: a size in hex and a signature. */
const chunkLineBytesMax = 256;
/** All trailers of a body. */
const trailerBytesMax = 4096;
/** Smallest chunk that is signed, but for the last one, as at AWS. */
const signedChunkBytesMin = 8192;

const chunkLine = /^([0-9a-fA-F]{1,12})(?:;chunk-signature=([0-9a-f]{64}))?$/;
const trailerLine = /^([A-Za-z0-9-]{1,128}):([\t\x20-\x7e]*)$/;
const emptyHash = hash('sha256', '', 'hex');

export interface ChunkedDecoderOptions {
  /** What all chunks hold together, as x-amz-decoded-content-length says. */
  readonly sizeBytes: number;
  /** Of signed chunks. */
  readonly chain?: SignatureChain;
  /** The trailers that may come, in lower case; undefined when the body has none. */
  readonly trailerNames?: readonly string[];
}

type Phase = 'line' | 'data' | 'data-end' | 'trailers' | 'done';

/**
 * Decodes aws-chunked bodies:
 *
 *     SIZE[;chunk-signature=HEX] CRLF data CRLF ... 0[;chunk-signature=HEX] CRLF
 *     [name:value CRLF ... [x-amz-trailer-signature:HEX CRLF]] CRLF
 *
 * Data goes on as slices of what came, unverified: it counts once `end` has returned. What is
 * kept between calls is one line.
 */
export class ChunkedDecoder {
  readonly #sizeBytes: number;
  readonly #chain: SignatureChain | undefined;
  readonly #trailerNames: readonly string[] | undefined;
  readonly #trailers = new Map<string, string>();
  #phase: Phase = 'line';
  #line = '';
  #signature: string;
  #announced: string | undefined;
  #chunkBytes = 0;
  #leftBytes = 0;
  #decodedBytes = 0;
  #wasShort = false;
  #hash: Hash | undefined;
  #trailerText = '';
  #trailerBytes = 0;
  #isTrailerSigned = false;

  constructor(options: ChunkedDecoderOptions) {
    this.#sizeBytes = options.sizeBytes;
    this.#chain = options.chain;
    this.#trailerNames = options.trailerNames;
    this.#signature = options.chain?.seed ?? '';
  }

  /**
   * Gives the data in `piece` to `emit`.
   * @throws S3Error for bad framing, sizes and signatures
   */
  push(piece: Buffer, emit: (data: Buffer) => void): void {
    let at = 0;
    while (at < piece.length) {
      if (this.#phase === 'data') {
        const data = piece.subarray(at, at + this.#leftBytes);
        at += data.length;
        this.#takeData(data);
        emit(data);
        continue;
      }
      if (this.#phase === 'done') throw incomplete('There are bytes after the last chunk.');
      const end = piece.indexOf(0x0a, at);
      const stop = end < 0 ? piece.length : end;
      this.#takeLine(piece, at, stop);
      at = stop + 1;
      if (end >= 0) this.#endLine();
    }
  }

  /**
   * Says that the body has ended; gives the trailers, names in lower case.
   * @throws S3Error IncompleteBody
   */
  end(): ReadonlyMap<string, string> {
    // Some clients leave out the empty line after the last chunk or trailer.
    const isWhole =
      this.#phase === 'done' ||
      (this.#phase === 'trailers' &&
        this.#line === '' &&
        (this.#chain === undefined || this.#trailerNames === undefined || this.#isTrailerSigned));
    if (!isWhole || this.#decodedBytes !== this.#sizeBytes) {
      throw incomplete('The chunks ended before x-amz-decoded-content-length.');
    }
    return this.#trailers;
  }

  #takeData(data: Buffer): void {
    this.#hash?.update(data);
    this.#leftBytes -= data.length;
    this.#decodedBytes += data.length;
    if (this.#leftBytes > 0) return;
    this.#verifyChunk();
    this.#phase = 'data-end';
  }

  #takeLine(piece: Buffer, from: number, to: number): void {
    const bytesMax = this.#phase === 'trailers' ? trailerBytesMax : chunkLineBytesMax;
    this.#trailerBytes += this.#phase === 'trailers' ? to - from + 1 : 0;
    if (this.#line.length + to - from > bytesMax || this.#trailerBytes > trailerBytesMax) {
      throw this.#phase === 'trailers'
        ? new S3Error('MalformedTrailerError')
        : incomplete('A chunk has no valid header.');
    }
    this.#line += piece.toString('latin1', from, to);
  }

  #endLine(): void {
    const line = this.#line.endsWith('\r') ? this.#line.slice(0, -1) : this.#line;
    this.#line = '';
    if (this.#phase === 'trailers') {
      this.#endTrailer(line);
    } else if (this.#phase === 'data-end') {
      if (line !== '') throw incomplete('A chunk is longer than it says.');
      this.#phase = 'line';
    } else {
      this.#beginChunk(line);
    }
  }

  #beginChunk(line: string): void {
    const match = chunkLine.exec(line);
    if (match === null) throw incomplete('A chunk has no valid header.');
    const [, size = '', signature] = match;
    this.#chunkBytes = Number.parseInt(size, 16);
    this.#announced = signature;
    if (this.#decodedBytes + this.#chunkBytes > this.#sizeBytes) {
      throw incomplete('The chunks hold more than x-amz-decoded-content-length.');
    }
    if (this.#chain !== undefined) {
      if (signature === undefined) throw new S3Error('SignatureDoesNotMatch');
      if (this.#chunkBytes > 0 && this.#wasShort) throw new S3Error('InvalidChunkSizeError');
      this.#wasShort = this.#chunkBytes < signedChunkBytesMin;
    }
    if (this.#chunkBytes === 0) {
      this.#verifyChunk();
      this.#phase = 'trailers';
      return;
    }
    if (this.#chain !== undefined) this.#hash = createHash('sha256');
    this.#leftBytes = this.#chunkBytes;
    this.#phase = 'data';
  }

  #verifyChunk(): void {
    if (this.#chain === undefined) return;
    const digest = this.#hash?.digest('hex') ?? emptyHash;
    this.#hash = undefined;
    this.#advance('AWS4-HMAC-SHA256-PAYLOAD', `${emptyHash}\n${digest}`, this.#announced);
  }

  #endTrailer(line: string): void {
    const mustSign = this.#chain !== undefined && this.#trailerNames !== undefined;
    if (line === '') {
      // The documented example has an empty line ahead of the signature.
      if (!mustSign || this.#isTrailerSigned) this.#phase = 'done';
      return;
    }
    const match = trailerLine.exec(line);
    const name = (match?.[1] ?? '').toLowerCase();
    const value = (match?.[2] ?? '').trim();
    if (match === null || this.#isTrailerSigned) throw new S3Error('MalformedTrailerError');
    if (mustSign && name === 'x-amz-trailer-signature') {
      this.#advance('AWS4-HMAC-SHA256-TRAILER', hash('sha256', this.#trailerText, 'hex'), value);
      this.#isTrailerSigned = true;
      return;
    }
    if (this.#trailerNames?.includes(name) !== true || this.#trailers.has(name)) {
      throw new S3Error('MalformedTrailerError', `The trailer ${name} was not announced once.`);
    }
    this.#trailers.set(name, value);
    this.#trailerText += `${name}:${value}\n`;
  }

  /** Every signature of the chain covers the one ahead of it. */
  #advance(kind: string, text: string, given: string | undefined): void {
    if (this.#chain === undefined) return;
    const { key, timestamp, scope } = this.#chain;
    const signed = `${kind}\n${timestamp}\n${scope}\n${this.#signature}\n${text}`;
    const expected = sign(key, signed);
    if (given === undefined || !isSameSignature(given, expected)) {
      throw new S3Error('SignatureDoesNotMatch');
    }
    this.#signature = expected;
  }
}

function incomplete(message: string): S3Error {
  return new S3Error('IncompleteBody', message);
}
