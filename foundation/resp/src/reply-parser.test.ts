import assert from 'node:assert/strict';
import { test } from 'node:test';
import { GridError, seededRandom } from '@commongrid/base';
import * as fc from 'fast-check';
import { MemoryPool } from './memory-pool.ts';
import { ReplyParser } from './reply-parser.ts';
import type { Reply } from './reply-parser.ts';
import { ReplyWriter } from './reply-writer.ts';

test('reply parser decodes what the writer wrote, however it is cut', () => {
  const leaf = fc.oneof(
    fc.constant(null),
    fc.boolean(),
    fc.maxSafeInteger(),
    fc.bigInt({ min: 2n ** 60n, max: 2n ** 63n - 1n }),
    fc.double({ noInteger: true }),
    fc.string({ unit: fc.constantFrom(...Array.from('abc é')) }),
    fc.uint8Array({ maxLength: 100 }).map((bytes) => Buffer.from(bytes)),
  );
  const { value } = fc.letrec<{ value: Reply }>((tie) => ({
    value: fc.oneof(
      { maxDepth: 4, depthSize: 'small' },
      leaf,
      fc.array(tie('value'), { maxLength: 4 }),
      fc
        .array(fc.tuple(fc.string({ unit: fc.constantFrom(...Array.from('ab')) }), tie('value')))
        .map((pairs) => new Map(pairs)),
    ),
  }));
  const sizes = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1 });
  fc.assert(
    fc.property(fc.array(value, { maxLength: 5 }), sizes, (values, cuts) => {
      const decoded = decode(encode(values), cuts);
      assert.deepEqual(decoded, { replies: values, pushes: [] });
    }),
  );
});

test('reply parser fills a large bulk string in place', () => {
  const value = Buffer.alloc(1_000_000, 'v');
  const stream = encode([value, 'next']);
  const replies: Reply[] = [];
  const parser = parserInto(replies);
  let directReads = 0;
  for (let at = 0; at < stream.length;) {
    const memory = parser.memory();
    if (memory.length > 65_536) directReads++;
    const count = stream.copy(memory, 0, at, Math.min(at + 200_000, stream.length));
    parser.write(memory, count);
    at += count;
  }
  assert.deepEqual(replies, [value, 'next']);
  assert.ok(directReads >= 4);
});

test('reply parser decodes replies of RESP2 and what only servers of RESP3 send', () => {
  const cases: readonly (readonly [string, Reply])[] = [
    ['$-1\r\n', null],
    ['*-1\r\n', null],
    ['*0\r\n', []],
    ['$0\r\n\r\n', Buffer.alloc(0)],
    [':+5\r\n', 5],
    [':-0\r\n', 0],
    [':-9223372036854775808\r\n', -(2n ** 63n)],
    ['(123456789012345678901234567890\r\n', 123456789012345678901234567890n],
    ['~2\r\n:1\r\n:2\r\n', [1, 2]],
    ['=5\r\nmkd:#\r\n', '#'],
    ['|1\r\n+ttl\r\n:1\r\n+value\r\n', 'value'],
    ['*2\r\n|1\r\n+ttl\r\n:1\r\n:1\r\n:2\r\n', [1, 2]],
    ['%1\r\n$1\r\na\r\n:1\r\n', new Map([['a', 1]])],
    [',-1.5e3\r\n', -1500],
  ];
  for (const [text, reply] of cases) {
    assert.deepEqual(decode(Buffer.from(text), [1]), { replies: [reply], pushes: [] }, text);
  }
});

test('reply parser tells errors from texts, at the top and inside of arrays', () => {
  const { replies } = decode(Buffer.from('-ERR a\r\n*2\r\n-ERR b\r\n:1\r\n!5\r\nERR c\r\n'), [3]);
  const [first, second, third] = replies;
  assert.ok(first instanceof GridError && first.message === 'ERR a');
  assert.equal(first.code, 'RESP_REPLY_ERROR');
  assert.ok(Array.isArray(second) && second[0] instanceof GridError);
  assert.ok(third instanceof GridError && third.message === 'ERR c');
});

test('reply parser hands push messages on beside the replies', () => {
  const { replies, pushes } = decode(Buffer.from('+a\r\n>2\r\n+msg\r\n:1\r\n+b\r\n'), [2]);
  assert.deepEqual(replies, ['a', 'b']);
  assert.deepEqual(pushes, [['msg', 1]]);
});

test('reply parser refuses bytes that are no reply', () => {
  const broken = ['x\r\n', 'HTTP/1.1 200 OK\r\n', '\r\n', '+\n', ':\r\n', ':1a\r\n', '$-2\r\n'];
  const more = ['$1\r\nabc', '*-2\r\n', '$1e3\r\n', '#x\r\n', ',1..2\r\n', '(1.5\r\n', '$?\r\n'];
  const nested = ['*1\r\n'.repeat(40), '*1\r\n>1\r\n:1\r\n', '+'.repeat(70_000)];
  for (const text of [...broken, ...more, ...nested]) {
    assert.throws(() => decode(Buffer.from(text), [1000]), { code: 'RESP_PROTOCOL_BROKEN' }, text);
  }
});

test('reply parser refuses a reply above its limit, announced or grown', () => {
  const announced = '$999999999999\r\n';
  assert.throws(() => decode(Buffer.from(announced), [10]), { code: 'RESP_REPLY_TOO_LARGE' });
  const grown = `*1000000\r\n${':12345678\r\n'.repeat(200_000)}`;
  assert.throws(() => decode(Buffer.from(grown), [10_000]), { code: 'RESP_REPLY_TOO_LARGE' });
});

test('reply parser counts each reply on its own against the limit', () => {
  const stream = Buffer.from(`$1000\r\n${'v'.repeat(1000)}\r\n`.repeat(3000));
  assert.equal(decode(stream, [7000]).replies.length, 3000);
});

test('reply parser reads large bulk strings into memory that it is given', () => {
  const given: Buffer[] = [];
  const replies: Reply[] = [];
  const bulkMemory = (sizeBytes: number): Buffer => {
    given.push(Buffer.alloc(sizeBytes));
    return given.at(-1) ?? Buffer.alloc(0);
  };
  const parser = parserInto(replies, [], bulkMemory);
  const large = Buffer.alloc(100_000, 'large');
  for (const chunk of [encode([large, Buffer.from('small')]), encode([large])]) {
    for (let at = 0; at < chunk.length; at += 30_000) {
      const part = chunk.subarray(at, at + 30_000);
      parser.write(part, part.length);
    }
  }
  assert.deepEqual(replies, [large, Buffer.from('small'), large]);
  const bytesOf = (reply?: Reply): unknown => Buffer.isBuffer(reply) && reply.buffer;
  assert.deepEqual(
    [bytesOf(replies[0]) === given[0]?.buffer, bytesOf(replies[2]) === given[1]?.buffer],
    [true, true],
  );
  assert.equal(given.length, 2);
});

test('reply parser takes bytes where it asked for them, wherever they are cut', () => {
  const random = seededRandom('direct');
  for (let round = 0; round < 200; round++) {
    const sent = [70_000, 5, 200_000, 65_536, 65_535].map((bytes) =>
      Buffer.from(random.bytes(bytes)),
    );
    const stream = encode(sent);
    const replies: Reply[] = [];
    const parser = parserInto(replies, [], (sizeBytes) => Buffer.alloc(sizeBytes));
    for (let at = 0; at < stream.length;) {
      const memory = parser.memory();
      // Sockets bring as much as there is room for, or end anywhere.
      const most = Math.min(memory.length, stream.length - at);
      const count = random.int(0, 2) === 0 ? random.int(1, most) : most;
      stream.copy(memory, 0, at, at + count);
      parser.write(memory, count);
      at += count;
    }
    assert.deepEqual(replies, sent);
  }
});

function decode(stream: Buffer, cuts: readonly number[]): { replies: Reply[]; pushes: unknown[] } {
  const replies: Reply[] = [];
  const pushes: unknown[] = [];
  const parser = parserInto(replies, pushes);
  for (let at = 0, turn = 0; at < stream.length; turn++) {
    const chunk = stream.subarray(at, at + (cuts[turn % cuts.length] ?? 1));
    parser.write(chunk, chunk.length);
    at += chunk.length;
  }
  return { replies, pushes };
}

function parserInto(
  replies: Reply[],
  pushes: unknown[] = [],
  bulkMemory?: (sizeBytes: number) => Buffer,
): ReplyParser {
  return new ReplyParser({
    onReply: (reply) => replies.push(reply),
    onPush: (message) => pushes.push(message),
    maxReplyBytes: 1024 * 1024,
    bulkMemory,
  });
}

function encode(values: readonly Reply[]): Buffer {
  const writer = new ReplyWriter(new MemoryPool());
  writer.protocol = 3;
  for (const value of values) write(writer, value);
  return Buffer.concat(writer.take().map((c) => c.memory.subarray(c.start, c.end)));
}

function write(writer: ReplyWriter, value: Reply): void {
  if (value === null) writer.nil();
  else if (typeof value === 'boolean') writer.boolean(value);
  else if (typeof value === 'bigint') writer.integer(value);
  else if (typeof value === 'string') writer.simple(value);
  else if (value instanceof Buffer) writer.bulk(value);
  else if (typeof value === 'number') {
    if (Number.isInteger(value)) writer.integer(value);
    else writer.double(value);
  } else if (value instanceof Map) {
    writer.map(value.size);
    for (const [key, item] of value) {
      write(writer, Buffer.from(String(key)));
      write(writer, item);
    }
  } else if (Array.isArray(value)) {
    writer.array(value.length);
    for (const item of value) write(writer, item);
  }
}
