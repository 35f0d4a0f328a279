import { SharedMemory } from '@commongrid/base';
import { readBufferBytes } from './config.ts';
import type { RequestLimits } from './config.ts';
import type { ProtocolError } from './errors.ts';
import { Request } from './request.ts';

/**
 * Finds requests in a stream of bytes, in place. It owns the memory that the stream is read into:
 *
 * 1. `space()` names the memory where the next bytes belong; `accept` says how many came.
 * 2. `next()` is called until it answers false; each true leaves one request in `request`.
 * 3. An incomplete rest stays where it is, moves to the front of the read buffer when room gets
 *    short, and gets memory of its own only when it is larger than the read buffer and
 *    `allowance` covers it. That memory grows with what has arrived, not with what is announced.
 */
export class RequestParser {
  readonly request: Request = new Request();
  /** Set for good by the first bytes that are no request. */
  error: ProtocolError | undefined;
  /** Bytes that the request in progress has in all, as far as known; 0 when there is none. */
  neededBytes = 0;
  /** Bytes that the request in progress may occupy. Back to the read buffer's size after it. */
  allowance: number = readBufferBytes;
  /** While true nothing that was parsed is moved: a handler still works on `request`. */
  isPinned = false;

  #limits: RequestLimits;
  readonly #base: Buffer = Buffer.allocUnsafeSlow(readBufferBytes);
  #bytes: Buffer = this.#base;
  /** What `#bytes` are of, unless they are the read buffer. */
  #memory: SharedMemory | undefined;
  /** The request in progress begins here, is parsed to `cursor`, and the stream ends at `end`. */
  #begin = 0;
  #cursor = 0;
  #end = 0;
  /** Arguments that the request in progress has (0: not known yet) and how many are parsed. */
  #expected = 0;
  #parsed = 0;
  /** Length of the argument whose header is parsed and whose bytes are not; -1: no such. */
  #bulkLength = -1;
  #afterNumber = 0;
  #target: Buffer = this.#base;
  #targetOwner: Buffer = this.#base;
  #targetAt = 0;

  constructor(limits: RequestLimits) {
    this.#limits = limits;
  }

  /** Limits for what is parsed from now on. */
  setLimits(limits: RequestLimits): void {
    this.#limits = limits;
  }

  /** Bytes that arrived and belong to no request that `next` has given out. */
  get unparsedBytes(): number {
    return this.#end - this.#begin;
  }

  /**
   * What `space()` lies in, unless it is the read buffer: memory of the request in progress, or of
   * the last one given out. The parser lets go of it by itself; the one who reads into it holds
   * it until he reads elsewhere.
   */
  get memory(): SharedMemory | undefined {
    return this.#memory;
  }

  /**
   * Most bytes that the request in progress can come to: exact once its last argument has begun.
   * Who grants so many can be sure that the request completes.
   */
  get declaredBytes(): number {
    const later = Math.max(0, this.#expected - this.#parsed - 1);
    const most = this.neededBytes + later * (this.#limits.maxBulkBytes + bulkFramingBytes);
    return later === 0 ? this.neededBytes : Math.min(most, this.#limits.maxRequestBytes);
  }

  /** Parses the next complete request into `request`. False: more bytes are needed, or `error`. */
  next(): boolean {
    if (this.error !== undefined) return false;
    if (this.#expected === 0) {
      if (this.#bytes !== this.#base) this.leaveAssembly();
      if (this.#begin === this.#end) {
        this.neededBytes = 0;
        return false;
      }
      if (this.#bytes[this.#begin] !== star) return this.#nextInline();
      if (!this.#parseCount()) return false;
    }
    return this.#parseArguments();
  }

  /**
   * Memory for the next bytes of the stream; empty when none can be taken before requests are
   * consumed or the allowance is raised. Bytes may be written to it until the next call.
   */
  space(): Buffer {
    if (this.#bytes !== this.#base) return this.#assemblySpace();
    if (this.neededBytes > readBufferBytes && this.neededBytes <= this.allowance) {
      this.#moveTo(new SharedMemory(this.#assemblySize()));
      return this.#assemblySpace();
    }
    if (!this.isPinned && this.#begin > 0) {
      const isShort = readBufferBytes - this.#end < minReadBytes;
      if (this.#begin === this.#end) this.#rewind();
      else if (isShort || this.#begin + this.neededBytes > readBufferBytes) {
        this.#moveTo(undefined);
      }
    }
    return this.#aim(readBufferBytes);
  }

  /** Takes `count` bytes that were read into `memory`; copies when that is not `space()`. */
  accept(memory: Buffer, count: number): number {
    const isInPlace =
      memory === this.#target && this.#targetOwner === this.#bytes && this.#targetAt === this.#end;
    if (!isInPlace) return this.push(memory, count);
    this.#end += count;
    return count;
  }

  /** Copies the first `length` bytes of `chunk`, or as many as fit; answers how many that were. */
  push(chunk: Buffer, length: number = chunk.length): number {
    const space = this.space();
    const count = Math.min(length, space.length);
    chunk.copy(space, 0, 0, count);
    this.#end += count;
    return count;
  }

  /** Gives up the memory of a large request that was given out; what follows it is kept. */
  leaveAssembly(): void {
    if (this.#expected !== 0 || this.#bytes === this.#base) return;
    this.#moveTo(undefined);
    this.allowance = readBufferBytes;
  }

  #rewind(): void {
    this.#begin = this.#cursor = this.#end = 0;
  }

  /** Moves the request in progress to the front of `memory`, or of the read buffer. */
  #moveTo(memory: SharedMemory | undefined): void {
    const bytes = memory?.bytes ?? this.#base;
    this.#bytes.copy(bytes, 0, this.#begin, this.#end);
    this.request.shift(this.#parsed, this.#begin);
    this.#cursor -= this.#begin;
    this.#end -= this.#begin;
    this.#begin = 0;
    this.#bytes = bytes;
    this.#memory?.letGo();
    this.#memory = memory;
  }

  #assemblySpace(): Buffer {
    // The request is complete: what follows it must fit the read buffer, where it will move.
    if (this.#expected === 0) return this.#aim(this.#begin + readBufferBytes);
    if (this.#end === this.#bytes.length) {
      this.#moveTo(new SharedMemory(this.#assemblySize()));
    }
    // Little more than this request is read, so that little of the next one has to move away.
    const isLast = this.#expected - this.#parsed === 1;
    return this.#aim(
      isLast ? this.neededBytes : Math.max(this.neededBytes, this.#end + slackBytes),
    );
  }

  /** Room for the whole request, if enough of it has arrived to believe it. */
  #assemblySize(): number {
    const arrived = this.#end - this.#begin;
    const isLast = this.#expected - this.#parsed === 1;
    const wanted = isLast ? this.neededBytes : Math.max(this.neededBytes, 2 * arrived);
    const most = Math.max(arrived, readBufferBytes) * growthFactor;
    // What does not suffice is better small: all of it will be copied.
    return wanted <= most ? wanted : most / 4;
  }

  #aim(limit: number): Buffer {
    const to = Math.min(limit, this.#bytes.length);
    const isSame =
      this.#targetOwner === this.#bytes &&
      this.#targetAt === this.#end &&
      this.#target.length === to - this.#end;
    if (!isSame) {
      const isWhole = this.#end === 0 && to === this.#bytes.length;
      this.#target = isWhole
        ? this.#bytes
        : this.#bytes.subarray(this.#end, Math.max(to, this.#end));
      this.#targetOwner = this.#bytes;
      this.#targetAt = this.#end;
    }
    return this.#target;
  }

  #parseCount(): boolean {
    const count = this.#parseNumber(this.#begin + 1);
    if (count === incomplete) return this.#wait(this.#end + 1);
    if (count === malformed) return this.#fail('Malformed request, array expected');
    if (count === 0) return this.#fail('Missing arguments');
    if (count > this.#limits.maxArguments) return this.#fail('Too many arguments');
    this.#expected = count;
    this.#cursor = this.#afterNumber;
    return true;
  }

  #parseArguments(): boolean {
    const { request } = this;
    const bytes = this.#bytes;
    const expected = this.#expected;
    const end = this.#end;
    let cursor = this.#cursor;
    while (this.#parsed < expected) {
      if (this.#bulkLength < 0) {
        if (cursor >= end) return this.#wait(cursor + 1);
        if (bytes[cursor] !== dollar) return this.#fail('Malformed query string');
        const length = this.#parseNumber(cursor + 1);
        if (length === incomplete) return this.#wait(end + 1);
        if (length === malformed) return this.#fail('Malformed query string');
        if (length > this.#limits.maxBulkBytes) return this.#fail('Payload too big');
        this.#bulkLength = length;
        this.#cursor = cursor = this.#afterNumber;
      }
      const dataEnd = cursor + this.#bulkLength;
      if (dataEnd + 2 > end) return this.#wait(dataEnd + 2);
      if (bytes[dataEnd] !== cr || bytes[dataEnd + 1] !== lf) {
        return this.#fail('Malformed query string');
      }
      request.put(this.#parsed, cursor, this.#bulkLength);
      this.#parsed++;
      this.#bulkLength = -1;
      this.#cursor = cursor = dataEnd + 2;
    }
    return this.#give(expected);
  }

  #give(argc: number): true {
    const { request } = this;
    request.bytes = this.#bytes;
    request.argc = argc;
    request.memory = this.#memory;
    this.#begin = this.#cursor;
    this.#expected = 0;
    this.#parsed = 0;
    this.neededBytes = 0;
    return true;
  }

  /** One line of words. The first byte and the first word keep binary noise and HTTP out. */
  #nextInline(): boolean {
    const bytes = this.#bytes;
    const first = (bytes[this.#begin] ?? 0) | 0x20;
    if (first < 0x61 || first > 0x7a) return this.#fail('Malformed request, array expected');
    const at = bytes.indexOf(lf, this.#cursor);
    if (at < 0 || at >= this.#end) {
      const length = this.#end - this.#begin;
      if (length >= this.#limits.maxInlineBytes) return this.#fail('Payload too big');
      this.#cursor = this.#end;
      return this.#wait(this.#end + 1);
    }
    if (at - this.#begin >= this.#limits.maxInlineBytes) return this.#fail('Payload too big');
    const lineEnd = bytes[at - 1] === cr ? at - 1 : at;
    let argc = 0;
    let wordAt = -1;
    for (let i = this.#begin; i <= lineEnd; i++) {
      const byte = i === lineEnd ? space : (bytes[i] ?? 0);
      if (byte === space || byte === tab) {
        if (wordAt < 0) continue;
        if (argc === this.#limits.maxArguments) return this.#fail('Too many arguments');
        this.request.put(argc++, wordAt, i - wordAt);
        wordAt = -1;
      } else {
        // A colon in the first word is an HTTP header: some browser was made to talk to us.
        if (byte < space || (byte === colon && argc === 0)) {
          return this.#fail('Malformed request, array expected');
        }
        if (wordAt < 0) wordAt = i;
      }
    }
    this.#cursor = at + 1;
    return this.#give(argc);
  }

  /** Reads digits and CRLF from `at`; leaves what follows in `#afterNumber`. */
  #parseNumber(at: number): number {
    const bytes = this.#bytes;
    const end = this.#end;
    let value = 0;
    for (let i = at; i < end; i++) {
      const byte = bytes[i] ?? 0;
      if (byte === cr) {
        if (i === at) return malformed;
        if (i + 1 === end) return incomplete;
        if (bytes[i + 1] !== lf) return malformed;
        this.#afterNumber = i + 2;
        return value;
      }
      const digit = byte - 0x30;
      const isLeadingZero = value === 0 && i > at;
      if (digit < 0 || digit > 9 || isLeadingZero || i - at >= maxDigits) return malformed;
      value = value * 10 + digit;
    }
    return incomplete;
  }

  /** The request in progress reaches at least to `needEnd`. */
  #wait(needEnd: number): false {
    const later = Math.max(0, this.#expected - this.#parsed - 1);
    this.neededBytes = needEnd - this.#begin + later * minBulkBytes;
    if (this.neededBytes > this.#limits.maxRequestBytes) this.error = 'Payload too big';
    return false;
  }

  #fail(error: ProtocolError): false {
    this.error = error;
    return false;
  }
}

const star = 0x2a;
const dollar = 0x24;
const cr = 0x0d;
const lf = 0x0a;
const space = 0x20;
const tab = 0x09;
const colon = 0x3a;

const incomplete = -1;
const malformed = -2;

/** Enough for any length within limits, and for a larger one to be called too big. */
const maxDigits = 15;
/** The shortest bulk string: `$0`, CRLF, CRLF. */
const minBulkBytes = 6;
/** Most that the framing of one bulk string adds. */
const bulkFramingBytes = 24;
/** A read into less than this costs more than moving the rest to the front. */
const minReadBytes = 16 * 1024;
/** How far past an argument that is not the last one a large request is read. */
const slackBytes = 16 * 1024;
/** Memory of a large request may be so many times what has arrived of it. */
const growthFactor = 32;
