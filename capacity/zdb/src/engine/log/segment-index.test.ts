import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type IndexEntry, SegmentIndex } from './segment-index.ts';

const uint32 = fc.integer({ min: 0, max: 0xffff_ffff });

/** Entries in order of sequence, some with a predecessor that is far away. */
const entries = fc
  .array(
    fc.record({
      step: fc.oneof(fc.constant(1), fc.integer({ min: 1, max: 1_000_000 })),
      offset: fc.integer({ min: 8, max: (1 << 25) - 1 }).map((word) => word * 8),
      lengths: uint32,
      owner: uint32,
      low: uint32,
      high: uint32,
      back: fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 2 ** 34 })),
      timeSeconds: uint32,
    }),
    { maxLength: 1500 },
  )
  .map((list) => {
    let sequence = 2 ** 40;
    return list.map(({ step, back, ...rest }): Required<IndexEntry> => {
      sequence += step;
      return { ...rest, sequence, previous: back === 0 ? 0 : sequence - back };
    });
  });

function filled(list: readonly Required<IndexEntry>[]): SegmentIndex {
  const index = new SegmentIndex(2 ** 40);
  for (const one of list) {
    const { sequence, offset, lengths, owner, low, high, timeSeconds } = one;
    index.add(sequence, offset, lengths, owner, low, high, one.previous as number, timeSeconds);
  }
  return index;
}

/** A distance that 32 bits do not hold: only the record says what came before. */
function asKept(entry: Required<IndexEntry>): IndexEntry {
  const previous = entry.previous as number;
  const isFar = previous > 0 && entry.sequence - previous >= 0xffff_ffff;
  return { ...entry, previous: isFar ? undefined : previous };
}

test('segment index gives its entries back, also from its file form', () => {
  fc.assert(
    fc.property(entries, (list) => {
      const index = filled(list);
      const again = SegmentIndex.decode(index.encode(9n, 4), 9n, 4);
      assert.ok(again !== undefined);
      for (const one of [index, again]) {
        assert.equal(one.count, list.length);
        for (const [i, entry] of list.entries()) assert.deepEqual(one.entry(i), asKept(entry));
      }
    }),
    { numRuns: 30 },
  );
});

test('segment index finds the first entry from a sequence on', () => {
  fc.assert(
    fc.property(entries, fc.integer({ min: -5, max: 2_000_000 }), (list, distance) => {
      const index = filled(list);
      const sequence = 2 ** 40 + distance;
      const expected = list.findIndex((one) => one.sequence >= sequence);
      assert.equal(index.lowerBound(sequence), expected < 0 ? list.length : expected);
    }),
  );
});

test('segment index is none with any flipped bit, cut, or of another segment or log', () => {
  const [entry] = fc.sample(entries, { seed: 1, numRuns: 20 }).filter((list) => list.length > 2);
  const bytes = filled((entry ?? []).slice(0, 3)).encode(9n, 4);
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    const copy = Buffer.from(bytes);
    copy[bit >>> 3] = (copy[bit >>> 3] as number) ^ (1 << (bit & 7));
    assert.equal(SegmentIndex.decode(copy, 9n, 4), undefined, `bit ${bit}`);
  }
  for (let length = 0; length < bytes.length; length++) {
    assert.equal(SegmentIndex.decode(bytes.subarray(0, length), 9n, 4), undefined);
  }
  assert.equal(SegmentIndex.decode(bytes, 9n, 5), undefined);
  assert.equal(SegmentIndex.decode(bytes, 8n, 4), undefined);
});
