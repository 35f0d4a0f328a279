import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { SharedMemory } from '@commongrid/base';
import * as fc from 'fast-check';
import { defaultServerLimits, readBufferBytes } from './config.ts';
import type { RequestLimits } from './config.ts';
import type { ProtocolError } from './errors.ts';
import { RequestParser } from './request-parser.ts';

test('request parser gives the same requests however the stream is cut', () => {
  const request = fc.array(fc.uint8Array({ maxLength: 40 }), { minLength: 1, maxLength: 12 });
  const requests = fc.array(request, { maxLength: 20 });
  const sizes = fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1 });
  fc.assert(
    fc.property(requests, sizes, (given, cuts) => {
      const stream = Buffer.concat(given.map(encode));
      const { requests: parsed, error } = parse(stream, cuts);
      assert.equal(error, undefined);
      assert.deepEqual(parsed, given.map(hexOf));
    }),
  );
});

test('request parser gives the same requests when values are larger than its buffer', () => {
  const size = fc.oneof(
    fc.integer({ min: 0, max: 200 }),
    fc.integer({ min: readBufferBytes - 200, max: readBufferBytes + 200 }),
    fc.integer({ min: 0, max: 400_000 }),
  );
  const requests = fc.array(fc.array(size, { minLength: 1, maxLength: 4 }), { maxLength: 6 });
  const sizes = fc.array(fc.integer({ min: 500, max: 150_000 }), { minLength: 1 });
  fc.assert(
    fc.property(requests, sizes, (lengths, cuts) => {
      const given = lengths.map((row) => row.map(filled));
      const { requests: parsed, error } = parse(Buffer.concat(given.map(encode)), cuts);
      assert.equal(error, undefined);
      assert.deepEqual(parsed, given.map(hexOf));
    }),
    { numRuns: 60 },
  );
});

test('request parser takes bytes that were read into its own memory without a copy', () => {
  const parser = new RequestParser(defaultServerLimits);
  const value = filled(300_000);
  const stream = encode([Buffer.from('SET'), Buffer.from('k'), value]);
  let isReady = false;
  for (let at = 0; at < stream.length;) {
    const space = parser.space();
    const count = stream.copy(space, 0, at);
    assert.equal(parser.accept(space, count), count);
    at += count;
    isReady = parser.next();
    parser.allowance = Math.max(parser.allowance, parser.declaredBytes);
  }
  assert.ok(isReady);
  assert.ok(parser.request.memory !== undefined);
  assert.ok(parser.request.own(2).equals(value));
  assert.equal(parser.request.own(2).buffer, parser.request.bytes.buffer);
});

test('request parser holds memory for what has arrived and not for what is announced', () => {
  const parser = new RequestParser(defaultServerLimits);
  parser.push(Buffer.from('*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$8388608\r\n'));
  assert.equal(parser.next(), false);
  assert.equal(parser.neededBytes, 8_388_608 + 32);
  assert.equal(parser.declaredBytes, parser.neededBytes);
  parser.allowance = parser.declaredBytes;
  assert.ok(parser.space().length <= 32 * readBufferBytes);
});

test('request parser reads again into memory of a large request once nobody holds it', () => {
  const parser = new RequestParser(defaultServerLimits);
  const stream = encode([filled(3_000_003)]);
  const take = (): SharedMemory => {
    parser.allowance = stream.length;
    for (let at = 0; !parser.next();) at += parser.push(stream.subarray(at));
    assert.ok(parser.request.memory !== undefined);
    return parser.request.memory;
  };
  const first = take();
  parser.leaveAssembly();
  const second = take();
  assert.equal(second.bytes, first.bytes);

  const shared = parser.request.share();
  assert.equal(shared, second);
  parser.leaveAssembly();
  const third = take();
  assert.notEqual(third.bytes, second.bytes);
  parser.leaveAssembly();
  shared?.letGo();
  assert.equal(take().bytes, second.bytes);

  const own = parser.request.own(0);
  parser.leaveAssembly();
  assert.notEqual(take().bytes, second.bytes);
  assert.ok(own.equals(filled(3_000_003)));
});

test('request parser does not leave its buffer without an allowance', () => {
  const parser = new RequestParser(defaultServerLimits);
  const stream = encode([filled(100_000)]);
  const taken = parser.push(stream);
  assert.equal(taken, readBufferBytes);
  assert.equal(parser.next(), false);
  assert.equal(parser.space().length, 0);
  assert.ok(parser.neededBytes > parser.allowance);
});

test('request parser keeps a pinned request where it is while more arrives', () => {
  const parser = new RequestParser(defaultServerLimits);
  const first = filled(40_000);
  parser.push(encode([first]));
  assert.ok(parser.next());
  parser.isPinned = true;
  const view = parser.request.view(0);
  while (parser.push(encode([filled(9_000)])) > 0);
  assert.ok(view.equals(first));
  parser.isPinned = false;
  assert.ok(parser.next());
  assert.equal(parser.request.lengthOf(0), 9_000);
});

const hostile: readonly (readonly [string, ProtocolError])[] = [
  ['*0\r\n', 'Missing arguments'],
  ['*-1\r\n', 'Malformed request, array expected'],
  ['*+1\r\n', 'Malformed request, array expected'],
  ['*01\r\n', 'Malformed request, array expected'],
  ['*00\r\n', 'Malformed request, array expected'],
  ['*\r\n', 'Malformed request, array expected'],
  ['*1 \r\n', 'Malformed request, array expected'],
  ['*1\n$1\r\n', 'Malformed request, array expected'],
  ['*1\rX', 'Malformed request, array expected'],
  ['*1025\r\n', 'Too many arguments'],
  ['*999999999999999\r\n', 'Too many arguments'],
  ['*99999999999999999999\r\n', 'Malformed request, array expected'],
  ['*1\r\n:1\r\n', 'Malformed query string'],
  ['*1\r\n*1\r\n$1\r\na\r\n', 'Malformed query string'],
  ['*1\r\n$-1\r\n', 'Malformed query string'],
  ['*1\r\n$+1\r\n', 'Malformed query string'],
  ['*1\r\n$01\r\na\r\n', 'Malformed query string'],
  ['*1\r\n$1\r\nabc', 'Malformed query string'],
  ['*1\r\n$1\r\na\n\r', 'Malformed query string'],
  ['*1\r\n$\r\n', 'Malformed query string'],
  ['*1\r\n$0x1\r\n', 'Malformed query string'],
  ['*1\r\n$8388609\r\n', 'Payload too big'],
  ['*1\r\n$999999999999999\r\n', 'Payload too big'],
  ['*1\r\n$99999999999999999999\r\n', 'Malformed query string'],
  ['\0', 'Malformed request, array expected'],
  ['\r\n', 'Malformed request, array expected'],
  [' PING\r\n', 'Malformed request, array expected'],
  ['+OK\r\n', 'Malformed request, array expected'],
  ['PI\0NG\r\n', 'Malformed request, array expected'],
  ['Host: 127.0.0.1\r\n', 'Malformed request, array expected'],
  ['\x16\x03\x01', 'Malformed request, array expected'],
  ['a'.repeat(readBufferBytes), 'Payload too big'],
];

test('request parser refuses bytes that are no request, whole or byte by byte', () => {
  for (const [text, expected] of hostile) {
    const stream = Buffer.from(text, 'latin1');
    assert.deepEqual(parse(stream, [stream.length]), { requests: [], error: expected }, text);
    const step = text.length > 100 ? 4096 : 1;
    assert.deepEqual(parse(stream, [step]), { requests: [], error: expected }, text);
  }
});

test('request parser never throws on random bytes and never gives more than it was given', () => {
  const bytes = fc.array(fc.constantFrom(...Array.from('*$0123\r\n:-aPG \0')), { maxLength: 60 });
  fc.assert(
    fc.property(bytes, fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1 }), (text, cuts) => {
      const stream = Buffer.from(text.join(''));
      const cut = parse(stream, cuts);
      assert.deepEqual(cut, parse(stream, [stream.length + 1]));
      assert.ok(cut.requests.flat().join('').length <= stream.length * 2);
    }),
    { numRuns: 500 },
  );
});

test('request parser reads inline commands as words', () => {
  const { requests, error } = parse(Buffer.from('PING\r\nset  k\tv \nGET k\r\n'), [3]);
  assert.equal(error, undefined);
  const words = requests.map((row) => row.map((hex) => Buffer.from(hex, 'hex').toString()));
  assert.deepEqual(words, [['PING'], ['set', 'k', 'v'], ['GET', 'k']]);
});

test('request parser refuses a request that is larger in all than its limit', () => {
  const limits = { ...defaultServerLimits, maxRequestBytes: 200_000 };
  const stream = encode([filled(90_000), filled(90_000), filled(90_000)]);
  assert.equal(parse(stream, [10_000], limits).error, 'Payload too big');
});

test('request parser keeps tight limits until it is given wider ones', () => {
  const parser = new RequestParser({ ...defaultServerLimits, maxBulkBytes: 10 });
  parser.push(encode([filled(10)]));
  assert.ok(parser.next());
  parser.setLimits(defaultServerLimits);
  parser.push(encode([filled(11)]));
  assert.ok(parser.next());
  parser.setLimits({ ...defaultServerLimits, maxBulkBytes: 10 });
  parser.push(encode([filled(11)]));
  assert.equal(parser.next(), false);
  assert.equal(parser.error, 'Payload too big');
});

function encode(args: readonly Uint8Array[]): Buffer {
  const parts = [Buffer.from(`*${args.length}\r\n`)];
  for (const arg of args) {
    parts.push(Buffer.from(`$${arg.length}\r\n`), Buffer.from(arg), Buffer.from('\r\n'));
  }
  return Buffer.concat(parts);
}

/** Pushes `stream` in pieces of the sizes in `cuts`, again and again, and collects requests. */
function parse(
  stream: Buffer,
  cuts: readonly number[],
  limits: RequestLimits = defaultServerLimits,
): { requests: string[][]; error: ProtocolError | undefined } {
  const parser = new RequestParser(limits);
  const requests: string[][] = [];
  let at = 0;
  for (let turn = 0; at < stream.length && parser.error === undefined; turn++) {
    const chunk = stream.subarray(at, at + (cuts[turn % cuts.length] ?? 1));
    at += parser.push(chunk);
    while (parser.next()) {
      const { request } = parser;
      requests.push(hexOf(Array.from({ length: request.argc }, (_, i) => request.view(i))));
    }
    parser.allowance = Math.max(parser.allowance, parser.declaredBytes);
  }
  return { requests, error: parser.error };
}

function hexOf(args: readonly Uint8Array[]): string[] {
  return args.map((arg) => Buffer.from(arg).toString('hex'));
}

function filled(length: number): Buffer {
  const bytes = Buffer.alloc(length);
  for (let i = 0; i < length; i++) bytes[i] = (i * 31 + length) & 0xff;
  return bytes;
}
