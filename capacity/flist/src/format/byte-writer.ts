import { flistBytesMax, tooLarge } from '../tree/tree-limits.ts';

const firstBytes = 64 * 1024;

/** Room that a varint is given, however short it is. */
const varintBytes = 8;

/** Grows by doubling, up to about what an flist may have: no run of nodes takes all memory. */
export class ByteWriter {
  #bytes = Buffer.allocUnsafe(firstBytes);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  /** What was written so far; later writing does not change it. */
  take(): Buffer {
    return this.#bytes.subarray(0, this.#length);
  }

  byte(value: number): void {
    this.#reserve(1);
    this.#bytes[this.#length++] = value;
  }

  /** Unsigned LEB128 of a safe integer. */
  varint(value: number): void {
    this.#reserve(varintBytes);
    let rest = value;
    while (rest >= 0x80) {
      this.#bytes[this.#length++] = (rest % 0x80) | 0x80;
      rest = Math.floor(rest / 0x80);
    }
    this.#bytes[this.#length++] = rest;
  }

  /** Zigzag, then as `varint`. */
  signedVarint(value: number): void {
    this.varint(value < 0 ? -2 * value - 1 : 2 * value);
  }

  /** A length and that many bytes, given as characters of one byte each. */
  text(text: string): void {
    this.varint(text.length);
    this.#reserve(text.length);
    this.#length += this.#bytes.write(text, this.#length, 'latin1');
  }

  raw(bytes: Uint8Array): void {
    this.#reserve(bytes.length);
    this.#bytes.set(bytes, this.#length);
    this.#length += bytes.length;
  }

  #reserve(more: number): void {
    const needed = this.#length + more;
    if (needed <= this.#bytes.length) return;
    if (needed > flistBytesMax + varintBytes) throw tooLarge('bytes', flistBytesMax);
    const grown = Buffer.allocUnsafe(Math.max(needed, this.#bytes.length * 2));
    grown.set(this.take());
    this.#bytes = grown;
  }
}
