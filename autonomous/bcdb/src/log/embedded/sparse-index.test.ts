import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { indexStrideBytes, SparseIndex } from './sparse-index.ts';

test('sparse index leads to a frame at or shortly before the one that holds a sequence', () => {
  const frames = fc.array(
    fc.record({
      count: fc.integer({ min: 1, max: 500 }),
      bytes: fc.integer({ min: 100, max: 90_000 }),
    }),
    { minLength: 1, maxLength: 60 },
  );
  const property = fc.property(frames, fc.integer({ min: 0, max: 10_000 }), (sizes, first) => {
    const index = new SparseIndex(first);
    const starts = new Map<number, number>();
    let [sequence, offset] = [first, 0];
    for (const { count, bytes } of sizes) {
      starts.set(offset, sequence);
      index.add(sequence, offset);
      sequence += count;
      offset += bytes;
    }
    const read = SparseIndex.decode(first, index.encode());
    for (const [start, sequenceThere] of starts) {
      const found = read.offsetBefore(sequenceThere);
      assert.ok(starts.has(found) && found <= start);
      assert.ok(start - found < indexStrideBytes, 'at most a stride away');
    }
    assert.equal(read.offsetBefore(first), 0);
  });
  fc.assert(property);
});
