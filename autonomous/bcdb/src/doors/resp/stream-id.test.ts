import assert from 'node:assert/strict';
import { test } from 'node:test';
import { rangeEnd, rangeStart, sequenceAfter, streamId } from './stream-id.ts';

test('stream id names a sequence as Redis would', () => {
  const end = Number.MAX_SAFE_INTEGER;
  const starts = [
    ['-', 0],
    ['+', end],
    ['5', 5],
    ['5-0', 5],
    ['5-1', 6],
    ['(5', 6],
    ['(5-0', 6],
    ['18446744073709551615', end - 1],
  ] as const;
  for (const [text, seq] of starts) assert.equal(rangeStart(text), seq, text);
  const ends = [
    ['+', end],
    ['-', 0],
    ['5', 6],
    ['5-0', 6],
    ['5-7', 6],
    ['(5', 6],
    ['(5-0', 5],
    ['(5-1', 6],
  ] as const;
  for (const [text, seq] of ends) assert.equal(rangeEnd(text), seq, text);
  assert.equal(sequenceAfter(streamId(5)), 6);
  assert.equal(sequenceAfter('0'), 1);
});

test('stream id that is none is refused', () => {
  for (const text of ['', 'x', '5-', '-5', '5-0-0', '((5', ' 5', '5\n', '1'.repeat(21), '1.5']) {
    for (const read of [rangeStart, rangeEnd, sequenceAfter]) {
      assert.throws(() => read(text), /Invalid stream ID/, JSON.stringify(text));
    }
  }
  assert.throws(() => sequenceAfter('(5'), /Invalid stream ID/);
});
