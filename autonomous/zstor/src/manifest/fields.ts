import { GridError } from '@commongrid/base';
import type { ZstorErrorCode } from '../errors.ts';

/** Writes numbers (little endian) and bytes one after the other. */
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

  u16(value: number): void {
    this.#at = this.#room(2).writeUInt16LE(value, this.#at);
  }

  u32(value: number): void {
    this.#at = this.#room(4).writeUInt32LE(value, this.#at);
  }

  bytes(value: Uint8Array): void {
    this.#room(value.length).set(value, this.#at);
    this.#at += value.length;
  }

  /** How many there are (u32), and each. */
  list<T>(items: readonly T[], write: (item: T) => void): void {
    this.u32(items.length);
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
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get isEnd(): boolean {
    return this.#at === this.#bytes.length;
  }

  u8(): number {
    return this.bytes(1).readUInt8();
  }

  u16(): number {
    return this.bytes(2).readUInt16LE();
  }

  u32(): number {
    return this.bytes(4).readUInt32LE();
  }

  bytes(count: number): Buffer {
    const end = this.#at + count;
    if (end > this.#bytes.length) throw damaged();
    const found = this.#bytes.subarray(this.#at, end);
    this.#at = end;
    return found;
  }

  list<T>(read: () => T): T[] {
    return this.times(this.u32(), read);
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
