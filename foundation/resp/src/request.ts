import type { MemoryOwner, SharedMemory } from '@commongrid/base';

/**
 * One parsed request: its arguments are ranges of `bytes`. Nothing is copied and no string is made
 * until asked for. Everything here is valid until the handler returns or, when it returned a
 * promise, until that settles; what must live longer is taken with `copy` or `own`.
 */
export class Request implements MemoryOwner {
  bytes: Buffer = empty;
  /** Number of arguments, the command's name included; at least 1. */
  argc = 0;
  /** Where argument i begins in `bytes`. Longer than `argc`: the rest is stale. */
  start: Int32Array = new Int32Array(8);
  /** Bytes of argument i. */
  length: Int32Array = new Int32Array(8);
  /** What `bytes` lie in when they hold this request alone: who needs them for longer shares it. */
  memory: SharedMemory | undefined;

  /** Argument i as UTF-8 text; bytes that are no UTF-8 become U+FFFD. */
  text(i: number): string {
    const start = this.start[i] ?? 0;
    return this.bytes.toString('utf8', start, start + this.lengthOf(i));
  }

  /** Argument i as text of one character a byte: reversible for any bytes, and the fastest. */
  latin1(i: number): string {
    const start = this.start[i] ?? 0;
    return this.bytes.toString('latin1', start, start + this.lengthOf(i));
  }

  /** Argument i as a window on `bytes`, valid as long as the request. */
  view(i: number): Buffer {
    const start = this.start[i] ?? 0;
    return this.bytes.subarray(start, start + this.lengthOf(i));
  }

  /** Argument i as bytes of its own. */
  copy(i: number): Buffer {
    const view = this.view(i);
    const copied = Buffer.allocUnsafe(view.length);
    copied.set(view);
    return copied;
  }

  /**
   * Argument i as bytes that the caller may keep: not copied when the request has memory of its
   * own, as one above the read buffer has. It may keep the whole request alive.
   */
  own(i: number): Buffer {
    return this.share() === undefined ? this.copy(i) : this.view(i);
  }

  /** Keeps `bytes` as they are; not possible when they hold other requests too. */
  share(): SharedMemory | undefined {
    this.memory?.hold();
    return this.memory;
  }

  /**
   * Argument i as a decimal integer: an optional minus, digits, no other sign, no leading zero.
   * `undefined` when it is none or beyond what a number holds exactly.
   */
  integer(i: number): number | undefined {
    let length = this.lengthOf(i);
    let at = this.start[i] ?? 0;
    const isNegative = length > 1 && this.bytes[at] === 0x2d;
    if (isNegative) {
      at++;
      length--;
    }
    if (length < 1 || length > 16) return undefined;
    let value = 0;
    for (let k = 0; k < length; k++) {
      const digit = (this.bytes[at + k] ?? 0) - 0x30;
      if (digit < 0 || digit > 9) return undefined;
      value = value * 10 + digit;
    }
    const hasLeadingZero = this.bytes[at] === 0x30 && (length > 1 || isNegative);
    if (hasLeadingZero || value > Number.MAX_SAFE_INTEGER) return undefined;
    return isNegative ? -value : value;
  }

  /** True when argument i is `word`, which is ASCII in upper case; the argument may be in any. */
  is(i: number, word: string): boolean {
    const length = this.lengthOf(i);
    if (length !== word.length) return false;
    const start = this.start[i] ?? 0;
    for (let k = 0; k < length; k++) {
      const byte = this.bytes[start + k] ?? 0;
      const upper = byte >= 0x61 && byte <= 0x7a ? byte - 32 : byte;
      if (upper !== word.charCodeAt(k)) return false;
    }
    return true;
  }

  /** Bytes of argument i; 0 when the request has no such argument. */
  lengthOf(i: number): number {
    return i < this.argc ? (this.length[i] ?? 0) : 0;
  }

  /** Notes the range of argument i. For the parser. */
  put(i: number, start: number, length: number): void {
    if (i >= this.start.length) this.#widen();
    this.start[i] = start;
    this.length[i] = length;
  }

  /** Moves the first `count` ranges after the bytes themselves were moved. For the parser. */
  shift(count: number, distance: number): void {
    for (let i = 0; i < count; i++) this.start[i] = (this.start[i] ?? 0) - distance;
  }

  #widen(): void {
    const size = this.start.length * 2;
    const start = new Int32Array(size);
    const length = new Int32Array(size);
    start.set(this.start);
    length.set(this.length);
    this.start = start;
    this.length = length;
  }
}

const empty = Buffer.alloc(0);
