import { GridError } from '@commongrid/base';
import { readBufferBytes } from './config.ts';
import type { RespErrorCode } from './errors.ts';

/**
 * A decoded reply. Status lines and verbatim texts are strings, bulk strings are Buffers of their
 * own, integers beyond what a number holds are bigint, sets are arrays. Keys of maps that are
 * bulk strings become text, so that `map.get('name')` works. An error inside an array or a map is
 * a GridError as a value; on its own it rejects the command.
 */
export type Reply =
  | string
  | Buffer
  | number
  | bigint
  | boolean
  | null
  | GridError
  | readonly Reply[]
  | ReadonlyMap<Reply, Reply>;

export interface ReplyParserOptions {
  /** Receives each complete reply. */
  readonly onReply: (reply: Reply) => void;
  /** Receives each RESP3 push message. */
  readonly onPush: (message: readonly Reply[]) => void;
  /** Bytes of one reply on the wire, all elements together. */
  readonly maxReplyBytes: number;
  /**
   * Gives memory of exactly so many bytes for a bulk string as large as the read buffer; what the
   * reply gets is all of it but the last two.
   */
  readonly bulkMemory?: ((sizeBytes: number) => Buffer) | undefined;
}

/**
 * Decodes RESP2 and RESP3 replies from a stream that may be cut anywhere. The body of a large
 * bulk string is read straight into its own Buffer: `memory` names where the next bytes belong.
 */
export class ReplyParser {
  readonly #options: ReplyParserOptions;
  readonly #readBuffer: Buffer = Buffer.allocUnsafeSlow(readBufferBytes);
  /** The beginning of it: what is read there of a large bulk string has to be copied. */
  readonly #headBuffer: Buffer = this.#readBuffer.subarray(0, headBytes);
  /** The last bulk string was read in place; so may be the next one. */
  #wasLarge = false;
  /** A line whose end has not come. */
  #line: Buffer = empty;
  /** The bulk string that is being filled. */
  #bulk: Buffer | undefined;
  /** The same with room for the CRLF behind it, so that one read may bring both. */
  #room: Buffer = empty;
  #bulkType = dollar;
  #filled = 0;
  /** Bytes of CRLF after a bulk string that are still to come. */
  #trailing = 0;
  /** What `memory` answered, when that was the rest of the bulk string and its CRLF. */
  #direct: Buffer | undefined;
  /** Aggregates that are open, the innermost last. */
  readonly #stack: Aggregate[] = [];
  #replyBytes = 0;

  constructor(options: ReplyParserOptions) {
    this.#options = options;
  }

  /** Where the next bytes are best read to. */
  memory(): Buffer {
    const bulk = this.#bulk;
    const isLarge = bulk !== undefined && bulk.length - this.#filled >= readBufferBytes;
    this.#direct = isLarge ? this.#room.subarray(this.#filled) : undefined;
    const isHead = bulk === undefined && this.#wasLarge;
    return this.#direct ?? (isHead ? this.#headBuffer : this.#readBuffer);
  }

  /**
   * Decodes the first `count` bytes of `bytes`.
   * @throws RESP_PROTOCOL_BROKEN, RESP_REPLY_TOO_LARGE; the parser is of no use after that.
   */
  write(bytes: Buffer, count: number): void {
    this.#countBytes(count);
    let at = 0;
    if (bytes === this.#direct && this.#bulk !== undefined) {
      at = Math.min(count, this.#bulk.length - this.#filled);
      this.#advance(at);
    }
    this.#direct = undefined;
    while (at < count) {
      if (this.#bulk !== undefined) at += this.#fill(this.#bulk, bytes, at, count);
      else at = this.#readLine(bytes, at, count);
    }
  }

  #countBytes(count: number): void {
    this.#replyBytes += count;
    // The bytes may hold many replies: only those of one that outlasts them count on.
    const { maxReplyBytes } = this.#options;
    if (this.#replyBytes > maxReplyBytes + readBufferBytes) throw tooLarge(maxReplyBytes);
  }

  #fill(bulk: Buffer, bytes: Buffer, at: number, end: number): number {
    if (this.#filled < bulk.length) {
      const count = Math.min(bulk.length - this.#filled, end - at);
      bytes.copy(bulk, this.#filled, at, at + count);
      this.#advance(count);
      return count;
    }
    if (bytes[at] !== (this.#trailing === crlfBytes ? cr : lf))
      throw broken('a bulk string has no end');
    this.#trailing--;
    if (this.#trailing === 0) {
      this.#bulk = undefined;
      // Whoever got it says how long it lives.
      this.#room = empty;
      this.#emit(bulkValue(this.#bulkType, bulk));
    }
    return 1;
  }

  #advance(count: number): void {
    this.#filled += count;
    this.#trailing = crlfBytes;
  }

  #readLine(bytes: Buffer, at: number, end: number): number {
    const lineFeed = bytes.indexOf(lf, at);
    const hasEnd = lineFeed >= 0 && lineFeed < end;
    const to = hasEnd ? lineFeed + 1 : end;
    if (this.#line.length + to - at > maxLineBytes) throw broken('a line is too long');
    if (this.#line.length > 0 || !hasEnd) {
      this.#line = Buffer.concat([this.#line, bytes.subarray(at, to)]);
      if (hasEnd) {
        const line = this.#line;
        this.#line = empty;
        this.#parseLine(line, 0, line.length);
      }
    } else {
      this.#parseLine(bytes, at, to);
    }
    return to;
  }

  /** A whole line, CRLF included. */
  #parseLine(bytes: Buffer, start: number, end: number): void {
    if (end - start < 3 || bytes[end - 2] !== cr) throw broken('a line does not end in CRLF');
    const type = bytes[start] ?? 0;
    if (type === dollar || type === equals || type === bang) {
      this.#beginBulk(type, integerOf(bytes, start + 1, end - 2));
    } else if (aggregates.has(type)) {
      this.#beginAggregate(type, integerOf(bytes, start + 1, end - 2));
    } else if (type === colon) {
      this.#emit(integerOf(bytes, start + 1, end - 2));
    } else {
      this.#emit(scalar(type, bytes.toString('utf8', start + 1, end - 2)));
    }
  }

  #beginBulk(type: number, length: number | bigint): void {
    if (length === -1 && type === dollar) {
      this.#emit(null);
      return;
    }
    if (typeof length === 'bigint' || length < 0) throw broken('a bulk string has no length');
    const { maxReplyBytes } = this.#options;
    if (length > maxReplyBytes) throw tooLarge(maxReplyBytes);
    this.#wasLarge = length >= readBufferBytes;
    this.#room = this.#memoryFor(this.#wasLarge ? length + crlfBytes : length);
    this.#bulk = this.#room.subarray(0, length);
    this.#bulkType = type;
    this.#filled = 0;
    this.#trailing = crlfBytes;
  }

  #memoryFor(sizeBytes: number): Buffer {
    const { bulkMemory } = this.#options;
    if (sizeBytes >= readBufferBytes && bulkMemory !== undefined) return bulkMemory(sizeBytes);
    const isLarge = sizeBytes > Buffer.poolSize / 2;
    return isLarge ? Buffer.allocUnsafeSlow(sizeBytes) : Buffer.allocUnsafe(sizeBytes);
  }

  #beginAggregate(type: number, count: number | bigint): void {
    if (count === -1 && type === star) {
      this.#emit(null);
      return;
    }
    if (typeof count === 'bigint' || count < 0) throw broken('an array has no count');
    if (this.#stack.length >= maxDepth) throw broken('arrays are nested too deep');
    if (type === greater && this.#stack.length > 0) throw broken('a push inside of a reply');
    const isPaired = type === percent || type === bar;
    const aggregate: Aggregate = { type, left: isPaired ? count * 2 : count, values: [] };
    if (aggregate.left > 0) this.#stack.push(aggregate);
    else this.#close(aggregate);
  }

  #emit(value: Reply): void {
    const top = this.#stack.at(-1);
    if (top === undefined) {
      this.#replyBytes = 0;
      this.#options.onReply(value);
      return;
    }
    top.values.push(value);
    top.left--;
    if (top.left > 0) return;
    this.#stack.pop();
    this.#close(top);
  }

  #close({ type, values }: Aggregate): void {
    if (type === greater) {
      this.#replyBytes = 0;
      this.#options.onPush(values);
    } else if (type === percent) {
      this.#emit(mapOf(values));
    } else if (type !== bar) {
      this.#emit(values);
    }
    // An attribute only describes the value that follows it: nothing is emitted for it.
  }
}

interface Aggregate {
  readonly type: number;
  left: number;
  readonly values: Reply[];
}

function bulkValue(type: number, bytes: Buffer): Reply {
  if (type === dollar) return bytes;
  if (type === bang) return replyError(bytes.toString());
  return bytes.toString('utf8', 4); // Three letters of format and a colon.
}

function mapOf(values: readonly Reply[]): Map<Reply, Reply> {
  const map = new Map<Reply, Reply>();
  for (let i = 0; i + 1 < values.length; i += 2) {
    const key = values[i] ?? null;
    map.set(key instanceof Buffer ? key.toString() : key, values[i + 1] ?? null);
  }
  return map;
}

function scalar(type: number, text: string): Reply {
  switch (type) {
    case plus:
      return text;
    case minus:
      return replyError(text);
    case underscore:
      return null;
    case hash:
      if (text !== 't' && text !== 'f') break;
      return text === 't';
    case comma:
      return double(text);
    case parenthesis:
      if (!/^-?\d{1,10000}$/.test(text)) break;
      return BigInt(text);
    default:
  }
  throw broken('a reply of no known type');
}

function double(text: string): number {
  if (text === 'inf') return Infinity;
  if (text === '-inf') return -Infinity;
  if (text === 'nan') return NaN;
  if (!/^[+-]?\d+(\.\d*)?([eE][+-]?\d+)?$/.test(text)) throw broken('a double is no number');
  return Number(text);
}

function integerOf(bytes: Buffer, start: number, end: number): number | bigint {
  const isNegative = bytes[start] === minus;
  const digitsAt = isNegative || bytes[start] === plus ? start + 1 : start;
  if (end - digitsAt < 1 || end - digitsAt > 19) throw broken('an integer has no value');
  let value = 0;
  for (let i = digitsAt; i < end; i++) {
    const digit = (bytes[i] ?? 0) - 0x30;
    if (digit < 0 || digit > 9) throw broken('an integer has no value');
    value = value * 10 + digit;
  }
  if (value > Number.MAX_SAFE_INTEGER) return BigInt(bytes.toString('latin1', start, end));
  return isNegative && value !== 0 ? -value : value;
}

function replyError(text: string): GridError<RespErrorCode> {
  return new GridError('RESP_REPLY_ERROR', text);
}

function broken(reason: string): GridError<RespErrorCode> {
  return new GridError('RESP_PROTOCOL_BROKEN', `the server does not speak RESP: ${reason}`, {
    hint: 'check that the address and port belong to the server that is meant, and TLS or not',
  });
}

function tooLarge(limit: number): GridError<RespErrorCode> {
  return new GridError('RESP_REPLY_TOO_LARGE', `a reply is larger than ${limit} bytes`, {
    details: { limit },
  });
}

const empty = Buffer.alloc(0);
const headBytes = 4_096;
const crlfBytes = 2;
const cr = 0x0d;
const lf = 0x0a;
const bang = 0x21;
const hash = 0x23;
const dollar = 0x24;
const percent = 0x25;
const parenthesis = 0x28;
const star = 0x2a;
const plus = 0x2b;
const comma = 0x2c;
const minus = 0x2d;
const colon = 0x3a;
const equals = 0x3d;
const greater = 0x3e;
const underscore = 0x5f;
const bar = 0x7c;
const tilde = 0x7e;
const aggregates = new Set([star, percent, tilde, greater, bar]);

/** A status, an error or a number is one line of at most this. */
const maxLineBytes = 64 * 1024;
/** Arrays in arrays. */
const maxDepth = 32;
