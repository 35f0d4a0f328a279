import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seededRandom } from '@commongrid/base';
import { RecordCache } from './record-cache.ts';

/** Marks the bytes of a record, so that what overwrites a part of it shows. */
function fill(cache: RecordCache, slot: number, offset: number, length: number): void {
  const position = cache.add(slot, offset, length);
  assert.equal(position % 8, 0);
  assert.ok(position + length <= cache.bytes.length);
  cache.bytes.fill(mark(slot, offset), position, position + length);
}

function mark(slot: number, offset: number): number {
  return 1 + ((slot * 31 + offset / 8) % 255);
}

test('record cache gives back what is still whole, and nothing else', () => {
  const random = seededRandom('cache');
  const cache = new RecordCache(0);
  const lengths = new Map<string, number>();
  let found = 0;
  for (let round = 0; round < 30_000; round++) {
    const slot = random.int(1, 4);
    const offset = random.int(8, 3000) * 8;
    const place = `${slot}/${offset}`;
    const position = cache.find(slot, offset);
    const length = lengths.get(place);
    if (position < 0) {
      const size = random.int(32, 5000);
      fill(cache, slot, offset, size);
      lengths.set(place, size);
      assert.ok(cache.find(slot, offset) >= 0, 'what came last is there');
      continue;
    }
    assert.ok(length !== undefined);
    found++;
    const bytes = cache.bytes.subarray(position, position + length);
    assert.ok(
      bytes.every((byte) => byte === mark(slot, offset)),
      place,
    );
  }
  assert.ok(found > 100);
});

test('record cache forgets a dropped record, and all of a segment', () => {
  const cache = new RecordCache(0);
  for (const slot of [1, 2]) {
    for (let i = 1; i <= 50; i++) fill(cache, slot, i * 64, 40);
  }
  cache.drop(1, 64);
  assert.equal(cache.find(1, 64), -1);
  assert.ok(cache.find(2, 64) >= 0);
  cache.dropSegment(2);
  for (let i = 1; i <= 50; i++) assert.equal(cache.find(2, i * 64), -1);
  assert.ok(cache.find(1, 128) >= 0);
});
