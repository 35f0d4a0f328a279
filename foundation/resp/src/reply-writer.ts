import { memoryBytes } from './memory-pool.ts';
import type { MemoryPool } from './memory-pool.ts';

/** A run of reply bytes, in the order of sending. */
export interface ReplyChunk {
  readonly memory: Buffer;
  start: number;
  readonly end: number;
  /** True when nothing else lies in `memory` that is still to be sent after this. */
  readonly isLast: boolean;
  /** Where `memory` lies in something larger that goes back to `largeMemory` once this is sent. */
  readonly lent?: Buffer | undefined;
}

/**
 * Builds the replies of one connection in memory from a pool, in RESP2 or RESP3 by `protocol`.
 * What does not fit begins a new chunk: nothing that was written is moved or copied again, so a
 * position from `reserveBulk` stays good until the chunks are taken.
 */
export class ReplyWriter {
  protocol: 2 | 3 = 2;
  /** The memory being written to; another one after any call that writes. */
  buffer: Buffer = empty;

  readonly #pool: MemoryPool;
  #start = 0;
  #position = 0;
  #chunks: ReplyChunk[] = [];
  #sealedBytes = 0;
  #markCount = 0;
  #markAt = 0;

  constructor(pool: MemoryPool) {
    this.#pool = pool;
  }

  /** Bytes written and not taken. */
  get size(): number {
    return this.#sealedBytes + this.#position - this.#start;
  }

  /** `+OK` */
  ok(): void {
    this.#literal(okReply);
  }

  /** A status of one line; line breaks and other control characters become spaces. */
  simple(text: string): void {
    this.#line(plus, text);
  }

  /** An error of one line, by custom `CODE sentence`. */
  error(text: string): void {
    this.#line(minus, text);
  }

  /** An integer; a number must be a safe one. */
  integer(value: number | bigint): void {
    if (value === 0) this.#literal(zeroReply);
    else if (value === 1) this.#literal(oneReply);
    else if (typeof value === 'bigint') this.#line(colon, value.toString());
    else this.#header(colon, value);
  }

  /** A bulk string from a range of `bytes`, which are copied. */
  bulk(bytes: Uint8Array, start = 0, length: number = bytes.length - start): void {
    const at = this.reserveBulk(length);
    const { buffer } = this;
    if (length <= loopBytes) {
      for (let i = 0; i < length; i++) buffer[at + i] = bytes[start + i] ?? 0;
    } else if (bytes instanceof Buffer) {
      bytes.copy(buffer, at, start, start + length);
    } else {
      buffer.set(bytes.subarray(start, start + length), at);
    }
  }

  /**
   * A bulk string that is not copied: `bytes` must not change until they are sent. `lent` is the
   * memory in which they lie, when it is to go back to `largeMemory` then.
   */
  bulkReference(bytes: Buffer, lent?: Buffer): void {
    this.#header(dollar, bytes.length);
    this.#seal();
    this.#chunks.push({ memory: bytes, start: 0, end: bytes.length, isLast: false, lent });
    this.#sealedBytes += bytes.length;
    this.raw(crlf);
  }

  /** A bulk string of the UTF-8 bytes of `text`. */
  bulkText(text: string): void {
    const at = this.reserveBulk(Buffer.byteLength(text));
    this.buffer.write(text, at);
  }

  /**
   * Writes the frame of a bulk string of `length` bytes and answers where in `buffer` the caller
   * must put them before this turn ends, or before the promise of the handler settles.
   */
  reserveBulk(length: number): number {
    return this.#reserve(dollar, length);
  }

  nil(): void {
    this.#literal(this.protocol === 3 ? nilReply3 : nilReply2);
  }

  nilArray(): void {
    this.#literal(this.protocol === 3 ? nilReply3 : nilArrayReply2);
  }

  /** An array whose `count` elements follow. */
  array(count: number): void {
    this.#header(star, count);
  }

  /** A map whose `count` pairs follow, key before value; in RESP2 a flat array. */
  map(count: number): void {
    if (this.protocol === 3) this.#header(percent, count);
    else this.#header(star, count * 2);
  }

  /** A set whose `count` elements follow; in RESP2 an array. */
  set(count: number): void {
    this.#header(this.protocol === 3 ? tilde : star, count);
  }

  /** A message that answers no request, of `count` elements; in RESP2 an array. */
  push(count: number): void {
    this.#header(this.protocol === 3 ? greater : star, count);
  }

  /** A boolean; in RESP2 the integer 1 or 0. */
  boolean(value: boolean): void {
    if (this.protocol === 3) this.#literal(value ? trueReply3 : falseReply3);
    else this.#literal(value ? oneReply : zeroReply);
  }

  /** A floating point number; in RESP2 a bulk string. */
  double(value: number): void {
    const text = Number.isFinite(value) ? String(value) : infinite(value);
    if (this.protocol === 3) this.#line(comma, text);
    else this.bulkText(text);
  }

  /** Text for people, three letters of format before it; in RESP2 a bulk string. */
  verbatim(text: string, format: 'txt' | 'mkd' = 'txt'): void {
    if (this.protocol === 2) {
      this.bulkText(text);
      return;
    }
    const at = this.#reserve(equals, Buffer.byteLength(text) + 4);
    this.buffer.write(`${format}:${text}`, at);
  }

  /** Bytes that are RESP already. */
  raw(bytes: Uint8Array): void {
    this.#ensure(bytes.length);
    this.buffer.set(bytes, this.#position);
    this.#position += bytes.length;
  }

  /** Notes where the reply of the next request begins. For the connection. */
  mark(): void {
    this.#markCount = this.#chunks.length;
    this.#markAt = this.#position;
  }

  /** Drops what was written since the mark. For the connection. */
  rewind(): void {
    const sealed = this.#chunks[this.#markCount];
    if (sealed !== undefined) {
      this.buffer = sealed.memory;
      this.#start = sealed.start;
      for (const chunk of this.#chunks.splice(this.#markCount)) {
        this.#sealedBytes -= chunk.end - chunk.start;
      }
    }
    this.#position = Math.max(this.#markAt, this.#start);
  }

  /** Takes what lies before the mark; the rest stays where it is. For the connection. */
  takeMarked(): ReplyChunk[] {
    const taken = this.#chunks.splice(0, this.#markCount);
    for (const chunk of taken) this.#sealedBytes -= chunk.end - chunk.start;
    const sealed = this.#chunks[0];
    const memory = sealed?.memory ?? this.buffer;
    const start = sealed?.start ?? this.#start;
    if (this.#markAt > start) {
      taken.push({ memory, start, end: this.#markAt, isLast: false });
      if (sealed === undefined) this.#start = this.#markAt;
      else {
        sealed.start = this.#markAt;
        this.#sealedBytes -= this.#markAt - start;
      }
    }
    this.#markCount = 0;
    return taken;
  }

  /** Takes everything. For the connection. */
  take(): ReplyChunk[] {
    this.#seal();
    const taken = this.#chunks;
    this.#chunks = [];
    this.#sealedBytes = 0;
    this.#markCount = 0;
    this.#markAt = 0;
    return taken;
  }

  #seal(): void {
    const { buffer } = this;
    if (this.#position > this.#start) {
      this.#chunks.push({ memory: buffer, start: this.#start, end: this.#position, isLast: true });
      this.#sealedBytes += this.#position - this.#start;
    } else {
      if (this.#markCount === this.#chunks.length) this.#markAt = 0;
      if (buffer !== empty && this.#start === 0) this.#pool.release(buffer);
    }
    this.buffer = empty;
    this.#start = 0;
    this.#position = 0;
  }

  #ensure(count: number): void {
    if (this.#position + count <= this.buffer.length) return;
    if (this.buffer !== empty) this.#seal();
    this.buffer = count <= memoryBytes ? this.#pool.acquire() : Buffer.allocUnsafeSlow(count);
  }

  #literal(bytes: Buffer): void {
    this.#ensure(bytes.length);
    const { buffer } = this;
    let at = this.#position;
    for (let i = 0; i < bytes.length; i++) buffer[at++] = bytes[i] ?? 0;
    this.#position = at;
  }

  /** A type byte, a length, CRLF, room for so many bytes, CRLF. */
  #reserve(type: number, length: number): number {
    this.#ensure(length + framingBytes);
    this.#number(type, length);
    const at = this.#position;
    const { buffer } = this;
    buffer[at + length] = cr;
    buffer[at + length + 1] = lf;
    this.#position = at + length + 2;
    return at;
  }

  #header(type: number, value: number): void {
    this.#ensure(framingBytes);
    this.#number(type, value);
  }

  #number(type: number, value: number): void {
    const { buffer } = this;
    let at = this.#position;
    buffer[at++] = type;
    let rest = value;
    if (rest < 0) {
      buffer[at++] = minus;
      rest = -rest;
    }
    let end = at + 1;
    for (let bound = 10; rest >= bound; bound *= 10) end++;
    for (let i = end - 1; i >= at; i--) {
      const next = Math.floor(rest / 10);
      buffer[i] = 0x30 + (rest - next * 10);
      rest = next;
    }
    buffer[end] = cr;
    buffer[end + 1] = lf;
    this.#position = end + 2;
  }

  #line(type: number, text: string): void {
    this.#ensure(text.length * 3 + 3);
    const { buffer } = this;
    let at = this.#position;
    buffer[at++] = type;
    const clean = control.test(text) ? text.replaceAll(controls, ' ') : text;
    at += buffer.write(clean, at);
    buffer[at] = cr;
    buffer[at + 1] = lf;
    this.#position = at + 2;
  }
}

function infinite(value: number): string {
  if (Number.isNaN(value)) return 'nan';
  return value > 0 ? 'inf' : '-inf';
}

const empty = Buffer.alloc(0);
const crlf = Buffer.from('\r\n');
const okReply = Buffer.from('+OK\r\n');
const zeroReply = Buffer.from(':0\r\n');
const oneReply = Buffer.from(':1\r\n');
const nilReply2 = Buffer.from('$-1\r\n');
const nilArrayReply2 = Buffer.from('*-1\r\n');
const nilReply3 = Buffer.from('_\r\n');
const trueReply3 = Buffer.from('#t\r\n');
const falseReply3 = Buffer.from('#f\r\n');
// oxlint-disable-next-line no-control-regex -- control characters are what is looked for
const control = /[\u0000-\u001f]/;
// oxlint-disable-next-line no-control-regex -- the same, all of them
const controls = /[\u0000-\u001f]/g;

const plus = 0x2b;
const minus = 0x2d;
const colon = 0x3a;
const dollar = 0x24;
const star = 0x2a;
const percent = 0x25;
const tilde = 0x7e;
const greater = 0x3e;
const comma = 0x2c;
const equals = 0x3d;
const cr = 0x0d;
const lf = 0x0a;

/** Up to so many bytes a loop is faster than a call into native code. */
const loopBytes = 24;
/** Type byte, sign, 17 digits, two CRLF: more than any frame needs. */
const framingBytes = 24;
