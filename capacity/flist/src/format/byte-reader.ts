import { GridError } from '@commongrid/base';
import type { FlistErrorCode } from '../errors.ts';
import type { ByteText } from '../tree/byte-text.ts';

/** Longest varint: 53 bits. */
const varintBytesMax = 8;

/** Reads canonical bytes from front to back. What it gives are views, not copies. */
export class ByteReader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  }

  get left(): number {
    return this.#bytes.length - this.#at;
  }

  byte(): number {
    const value = this.#bytes[this.#at];
    if (value === undefined) throw this.corrupt('it ends too early');
    this.#at++;
    return value;
  }

  varint(): number {
    const first = this.byte();
    if (first < 0x80) return first;
    let value = first - 0x80;
    let scale = 0x80;
    for (let count = 1; count < varintBytesMax; count++) {
      const next = this.byte();
      value += (next & 0x7f) * scale;
      if (next < 0x80) {
        if (next === 0 || value > Number.MAX_SAFE_INTEGER) break;
        return value;
      }
      scale *= 0x80;
    }
    throw this.corrupt('a number is too large or too long');
  }

  signedVarint(): number {
    const value = this.varint();
    return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
  }

  /** A varint that counts things of so many bytes at least, which must be there. */
  count(bytesEach: number): number {
    const value = this.varint();
    if (value * bytesEach > this.left) throw this.corrupt('there is less than it says');
    return value;
  }

  view(length: number): Buffer {
    if (length > this.left) throw this.corrupt('it ends too early');
    const from = this.#at;
    this.#at += length;
    return this.#bytes.subarray(from, this.#at);
  }

  /** A length, `bytesMax` at most, and that many bytes. */
  text(bytesMax: number): ByteText {
    const length = this.varint();
    if (length > bytesMax || length > this.left) throw this.corrupt('a text is too long');
    const from = this.#at;
    this.#at += length;
    return this.#bytes.toString('latin1', from, this.#at) as ByteText;
  }

  corrupt(reason: string): GridError<FlistErrorCode> {
    return new GridError('FLIST_CORRUPT', `this is no good flist: ${reason}`, {
      hint: 'fetch it again',
      details: { at: this.#at },
    });
  }
}
