import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Batch } from './batch.ts';
import { FRAME_HEADER_BYTES, packOwner, recordBytes, RecordKind } from './format.ts';
import type { Segment } from './segment.ts';

const segment = { id: 7, nextOffset: 64 } as unknown as Segment;

interface Sample {
  readonly key: Buffer;
  readonly value: Buffer;
}

const samples = fc.array(
  fc.record({
    keyLength: fc.integer({ min: 1, max: 255 }),
    valueLength: fc.oneof(
      fc.integer({ min: 0, max: 200 }),
      fc.integer({ min: 64 * 1024 - 9, max: 64 * 1024 + 9 }),
    ),
  }),
  { minLength: 1, maxLength: 8 },
);

function make(lengths: { keyLength: number; valueLength: number }[]): Sample[] {
  return lengths.map(({ keyLength, valueLength }, i) => ({
    key: Buffer.alloc(keyLength, 65 + i),
    value: Buffer.alloc(valueLength, 97 + i),
  }));
}

function fill(batch: Batch, records: readonly Sample[], mayKeep: boolean): number[] {
  const holder = mayKeep ? { share: () => undefined } : undefined;
  batch.begin(segment, 10);
  const offsets = records.map(({ key, value }, i) => {
    const owner = packOwner(1, RecordKind.set);
    return batch.add(7, owner, 5, 10 + i, 0, key, 0, key.length, value, 0, value.length, holder);
  });
  batch.seal(99n, 7, 3, 0);
  return offsets;
}

test('a batch writes the same bytes whether values are kept in place or copied', () => {
  fc.assert(
    fc.property(samples, (lengths) => {
      const records = make(lengths);
      const copied = new Batch();
      const kept = new Batch();
      const offsets = fill(copied, records, false);
      assert.deepEqual(fill(kept, records, true), offsets);
      assert.equal(kept.size, copied.size);
      assert.ok(Buffer.concat(kept.pieces()).equals(Buffer.concat(copied.pieces())));
    }),
    { numRuns: 60 },
  );
});

test('a batch gives back each record wherever its value is', () => {
  fc.assert(
    fc.property(samples, fc.boolean(), (lengths, mayKeep) => {
      const records = make(lengths);
      const batch = new Batch();
      const offsets = fill(batch, records, mayKeep);
      const whole = Buffer.concat(batch.pieces());
      for (const [i, { key, value }] of records.entries()) {
        const offset = offsets[i] ?? 0;
        const length = recordBytes(key.length, value.length);
        const at = batch.find(offset);
        const found = at < 0 ? batch.copyOf(offset, length) : batch.bytes.subarray(at, at + length);
        const from = offset - batch.offset;
        assert.ok(whole.subarray(from, from + length).equals(found));
      }
    }),
    { numRuns: 60 },
  );
});

test('a batch that is cleared begins anew', () => {
  const batch = new Batch();
  fill(batch, make([{ keyLength: 3, valueLength: 70_000 }]), true);
  batch.clear();
  fill(batch, make([{ keyLength: 3, valueLength: 4 }]), true);
  assert.equal(batch.size, FRAME_HEADER_BYTES + recordBytes(3, 4));
});
