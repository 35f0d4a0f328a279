import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeHeadSlot, encodeHeadSlot } from './format.ts';

const slot = {
  log: new Uint8Array(32).fill(1),
  head: { size: 2 ** 40 + 5, root: new Uint8Array(32).fill(2) },
  counter: 77,
};

test('head slot gives back what was written', () => {
  assert.deepEqual(decodeHeadSlot(encodeHeadSlot(slot)), slot);
});

test('head slot notices any flipped bit', () => {
  const bytes = encodeHeadSlot(slot);
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    const flipped = Buffer.from(bytes);
    flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    assert.equal(decodeHeadSlot(flipped), undefined, `bit ${bit}`);
  }
});

test('head slot of a short file is none', () => {
  assert.equal(decodeHeadSlot(encodeHeadSlot(slot).subarray(0, 100)), undefined);
  assert.equal(decodeHeadSlot(Buffer.alloc(0)), undefined);
});
