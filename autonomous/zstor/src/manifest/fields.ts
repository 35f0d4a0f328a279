import { GridError } from '@commongrid/base';
import type { ZstorErrorCode } from '../errors.ts';

/** Writes numbers and bytes one after the other. */
export class FieldWriter {
  #bytes: Buffer;
  #at = 0;

  /** @param sizeBytes that are probably enough */
  constructor(sizeBytes = 1024) {
    this.#bytes = Buffer.allocUnsafe(sizeBytes);
  }

  u8(value: number): void {
    this.#at = this.#room(1).writeUInt8(value, this.#at);
  }

  /** Up to 2^53 - 1: 7 bits in each byte, the lowest first; all but the last byte have the eighth set. */
  number(value: number): void {
    let left = value;
    for (; left > 0x7f; left = Math.floor(left / 0x80)) this.u8((left % 0x80) | 0x80);
    this.u8(left);
  }

  bytes(value: Uint8Array): void {
    this.#room(value.length).set(value, this.#at);
    this.#at += value.length;
  }

  /** How many there are, and each. */
  list<T>(items: readonly T[], write: (item: T) => void): void {
    this.number(items.length);
    for (const item of items) write(item);
  }

  end(): Buffer {
    return this.#bytes.subarray(0, this.#at);
  }

  #room(count: number): Buffer {
    const wanted = this.#at + count;
    if (wanted > this.#bytes.length) {
      const larger = Buffer.allocUnsafe(Math.max(wanted, 2 * this.#bytes.length));
      this.#bytes.copy(larger, 0, 0, this.#at);
      this.#bytes = larger;
    }
    return this.#bytes;
  }
}

/** Reads what `FieldWriter` wrote. Each throws ZSTOR_MANIFEST_CORRUPT where there is not as much. */
export class FieldReader {
  readonly #bytes: Buffer;
  readonly #hasFixedNumbers: boolean;
  #at = 0;

  /** @param hasFixedNumbers of format 1, in which each had a length of its own */
  constructor(bytes: Buffer, hasFixedNumbers = false) {
    this.#bytes = bytes;
    this.#hasFixedNumbers = hasFixedNumbers;
  }

  get isEnd(): boolean {
    return this.#at === this.#bytes.length;
  }

  u8(): number {
    return this.bytes(1).readUInt8();
  }

  /** @param fixedBytes how long it is where numbers have fixed lengths */
  number(fixedBytes = 4): number {
    if (this.#hasFixedNumbers) return this.bytes(fixedBytes).readUIntLE(0, fixedBytes);
    let value = 0;
    for (let scale = 1; scale < 2 ** 53; scale *= 0x80) {
      const byte = this.u8();
      value += (byte & 0x7f) * scale;
      if (byte < 0x80 && Number.isSafeInteger(value)) return value;
    }
    throw damaged();
  }

  bytes(count: number): Buffer {
    const end = this.#at + count;
    if (end > this.#bytes.length) throw damaged();
    const found = this.#bytes.subarray(this.#at, end);
    this.#at = end;
    return found;
  }

  list<T>(read: () => T): T[] {
    return this.times(this.number(), read);
  }

  times<T>(count: number, read: () => T): T[] {
    const items: T[] = [];
    for (let i = 0; i < count; i++) items.push(read());
    return items;
  }
}

export function damaged(): GridError<ZstorErrorCode> {
  return new GridError('ZSTOR_MANIFEST_CORRUPT', 'the manifest of a version is cut or damaged', {
    hint: 'other backends may have a copy that is not',
  });
}
