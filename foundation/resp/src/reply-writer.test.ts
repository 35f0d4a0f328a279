import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MemoryPool, memoryBytes } from './memory-pool.ts';
import { ReplyWriter } from './reply-writer.ts';
import { textOf, written } from './testing/written.ts';

test('reply writer frames each type in RESP2', () => {
  assert.equal(written(everyType, 2), everyTypeIn2.join(''));
});

test('reply writer frames each type in RESP3', () => {
  assert.equal(written(everyType, 3), everyTypeIn3.join(''));
});

test('reply writer writes integers of any length', () => {
  for (const value of [9, 10, 99, 100, 65_536, 1_000_000_000_000, Number.MAX_SAFE_INTEGER]) {
    assert.equal(
      written((w) => w.integer(value)),
      `:${value}\r\n`,
    );
    assert.equal(
      written((w) => w.integer(-value)),
      `:${-value}\r\n`,
    );
  }
});

test('reply writer keeps a line one line', () => {
  assert.equal(
    written((w) => w.error('ERR a\r\n+OK\0b')),
    '-ERR a  +OK b\r\n',
  );
  assert.equal(
    written((w) => w.simple('grün')),
    '+grün\r\n',
  );
});

test('reply writer leaves a reserved bulk string to the caller', () => {
  const text = written((w) => {
    const at = w.reserveBulk(5);
    w.buffer.write('hello', at);
    w.integer(3);
  });
  assert.equal(text, '$5\r\nhello\r\n:3\r\n');
});

test('reply writer keeps order and bytes across many chunks', () => {
  const big = Buffer.alloc(3 * memoryBytes, 'b');
  const small = Buffer.alloc(1000, 's');
  const text = written((w) => {
    for (let i = 0; i < 40; i++) w.bulk(small);
    w.bulk(big);
    w.bulkReference(big);
    w.ok();
  });
  const framed = `$${big.length}\r\n${big.toString()}\r\n`;
  assert.equal(text, `$1000\r\n${small.toString()}\r\n`.repeat(40) + framed + framed + '+OK\r\n');
});

test('reply writer counts what it holds', () => {
  const writer = new ReplyWriter(new MemoryPool());
  writer.ok();
  writer.bulk(Buffer.alloc(2 * memoryBytes));
  const size = writer.size;
  assert.equal(textOf(writer.take()).length, size);
  assert.equal(writer.size, 0);
});

test('reply writer rewinds to its mark, wherever that lies', () => {
  for (const before of positions) {
    for (const after of positions) {
      const writer = new ReplyWriter(new MemoryPool());
      writer.raw(Buffer.alloc(before, 'a'));
      writer.mark();
      writer.raw(Buffer.alloc(after, 'x'));
      writer.rewind();
      writer.raw(Buffer.from('end'));
      assert.equal(writer.size, before + 3);
      assert.equal(textOf(writer.take()), 'a'.repeat(before) + 'end', `${before} ${after}`);
    }
  }
});

test('reply writer gives what lies before its mark and keeps the rest', () => {
  for (const before of positions) {
    for (const after of positions) {
      const writer = new ReplyWriter(new MemoryPool());
      writer.raw(Buffer.alloc(before, 'a'));
      writer.mark();
      writer.raw(Buffer.alloc(after, 'b'));
      const first = textOf(writer.takeMarked());
      writer.raw(Buffer.from('c'));
      assert.equal(writer.size, after + 1);
      const rest = textOf(writer.take());
      assert.equal(first, 'a'.repeat(before), `${before} ${after}`);
      assert.equal(rest, 'b'.repeat(after) + 'c', `${before} ${after}`);
    }
  }
});

test('reply writer does not lend memory again before its last chunk is taken', () => {
  const pool = new MemoryPool();
  const writer = new ReplyWriter(pool);
  writer.raw(Buffer.from('first'));
  writer.mark();
  writer.raw(Buffer.from('second'));
  const [first] = writer.takeMarked();
  const [second] = writer.take();
  assert.equal(first?.memory, second?.memory);
  assert.deepEqual([first?.isLast, second?.isLast], [false, true]);
});

/** Around the borders of a piece of memory. */
const positions = [0, 1, 100, memoryBytes - 1, memoryBytes, memoryBytes + 1, 2 * memoryBytes + 5];

function everyType(w: ReplyWriter): void {
  w.ok();
  w.simple('PONG');
  w.error('ERR no');
  w.integer(0);
  w.integer(1);
  w.integer(-42);
  w.integer(2n ** 62n);
  w.bulk(Buffer.from('xabcx'), 1, 3);
  w.bulkText('é');
  w.nil();
  w.nilArray();
  w.array(2);
  w.map(2);
  w.set(3);
  w.push(1);
  w.boolean(true);
  w.boolean(false);
  w.double(1.5);
  w.double(Infinity);
  w.double(NaN);
  w.verbatim('hi');
}

const everyTypeIn2 = [
  '+OK\r\n+PONG\r\n-ERR no\r\n:0\r\n:1\r\n:-42\r\n:4611686018427387904\r\n',
  '$3\r\nabc\r\n$2\r\né\r\n$-1\r\n*-1\r\n*2\r\n*4\r\n*3\r\n*1\r\n:1\r\n:0\r\n',
  '$3\r\n1.5\r\n$3\r\ninf\r\n$3\r\nnan\r\n$2\r\nhi\r\n',
];
const everyTypeIn3 = [
  '+OK\r\n+PONG\r\n-ERR no\r\n:0\r\n:1\r\n:-42\r\n:4611686018427387904\r\n',
  '$3\r\nabc\r\n$2\r\né\r\n_\r\n_\r\n*2\r\n%2\r\n~3\r\n>1\r\n#t\r\n#f\r\n',
  ',1.5\r\n,inf\r\n,nan\r\n=6\r\ntxt:hi\r\n',
];
