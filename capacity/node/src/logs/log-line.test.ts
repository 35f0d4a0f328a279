import assert from 'node:assert/strict';
import { test } from 'node:test';

import fc from 'fast-check';

import { lineCharactersMax, LogAssembler } from './log-line.ts';
import type { LogLine } from './log-line.ts';

const stamp = '2026-11-21T22:26:27.123456789+00:00';
const atMs = Date.parse('2026-11-21T22:26:27.123Z');

function linesOf(text: string | Buffer): LogLine[] {
  const lines: LogLine[] = [];
  new LogAssembler().take(Buffer.from(text), lines);
  return lines;
}

test('log assembler reads time, stream and text of records', () => {
  const text = `${stamp} stdout F hello world\n${stamp} stderr F \n`;
  assert.deepEqual(linesOf(text), [
    { atMs, stream: 'stdout', text: 'hello world' },
    { atMs, stream: 'stderr', text: '' },
  ]);
});

test('log assembler reads times with another offset', () => {
  const [line] = linesOf('2026-11-22T00:26:27.123456789+02:00 stdout F x\n');
  assert.equal(line?.atMs, atMs);
});

test('log assembler joins pieces of a line, each stream by itself', () => {
  const records = ['stdout P a', 'stderr P 1', 'stdout P b', 'stderr F 2', 'stdout F c'];
  const text = records.map((record) => `${stamp} ${record}\n`).join('');
  assert.deepEqual(
    linesOf(text).map((line) => line.text),
    ['12', 'abc'],
  );
});

test('log assembler keeps NUL bytes and shows what is no UTF-8', () => {
  const bytes = Buffer.concat([
    Buffer.from(`${stamp} stdout F a\0b`),
    Buffer.from([0xff, 0xfe, 10]),
  ]);
  assert.deepEqual(
    linesOf(bytes).map((line) => line.text),
    ['a\0b\ufffd\ufffd'],
  );
});

test('log assembler gives a line without end in pieces', () => {
  const piece = 'x'.repeat(8192);
  const lines = linesOf(`${stamp} stdout P ${piece}\n`.repeat(20));
  assert.equal(lines.length, 2);
  assert.ok(lines.every(({ text }) => text.length === lineCharactersMax));
});

test('log assembler shows what is no record as it is', () => {
  const odd = ['', 'torn', '\0\0\0', `${stamp} stdin F x`, `${stamp} stdout X x`, 'now stdout F x'];
  for (const text of odd) {
    const [line] = linesOf(`${text}\n`);
    assert.deepEqual(line, { atMs: 0, stream: 'stdout', text });
  }
});

test('log assembler gives the same however its input is cut', () => {
  const record = fc.tuple(
    fc.constantFrom('stdout', 'stderr'),
    fc.constantFrom('P', 'F'),
    fc.string({ unit: 'binary', maxLength: 20 }).map((text) => text.replaceAll('\n', '')),
  );
  const records = fc.array(record, { maxLength: 20 });
  fc.assert(
    fc.property(records, fc.integer({ min: 1, max: 90 }), (all, step) => {
      const bytes = Buffer.from(all.map((parts) => `${stamp} ${parts.join(' ')}\n`).join(''));
      const assembler = new LogAssembler();
      const lines: LogLine[] = [];
      let rest: Buffer = Buffer.alloc(0);
      for (let start = 0; start < bytes.length; start += step) {
        rest = Buffer.concat([rest, bytes.subarray(start, start + step)]);
        rest = rest.subarray(assembler.take(rest, lines));
      }
      assert.equal(rest.length, 0);
      assert.deepEqual(lines, linesOf(bytes));
      const ends = all.filter(([, tag]) => tag === 'F').length;
      assert.equal(lines.length, ends);
    }),
  );
});
