import assert from 'node:assert/strict';
import { test } from 'node:test';

import fc from 'fast-check';

import {
  chooseRange,
  formatAddress,
  formatRange,
  isInRange,
  parseAddress,
  parseRange,
  rangesOverlap,
  sizeOf,
} from './ipv4-range.ts';

const address = fc.integer({ min: 0, max: 2 ** 32 - 1 });
const range = fc
  .tuple(address, fc.integer({ min: 1, max: 32 }))
  .map(([first, bits]) => ({ first: first - (first % 2 ** (32 - bits)), bits }));

test('an address and a range read what they print', () => {
  fc.assert(
    fc.property(range, (value) => {
      assert.deepEqual(parseRange(formatRange(value)), value);
      assert.equal(parseAddress(formatAddress(value.first)), value.first);
    }),
  );
});

test('ranges overlap when one address is in both', () => {
  fc.assert(
    fc.property(range, range, (a, b) => {
      const ends = [a.first, a.first + sizeOf(a) - 1, b.first, b.first + sizeOf(b) - 1];
      const isShared = ends.some((end) => isInRange(end, a) && isInRange(end, b));
      assert.equal(rangesOverlap(a, b), isShared);
    }),
  );
});

test('a range is not read from what is none', () => {
  for (const text of [
    '',
    'default',
    '10.0.0.1/16',
    '10.0.0.0/33',
    '256.0.0.0',
    '1.2.3',
    '01.2.3.4',
  ]) {
    assert.equal(parseRange(text), undefined, text);
  }
  assert.deepEqual(parseRange('192.0.2.1'), { first: 0xc0000201, bits: 32 });
});

test('a chosen range is the first from the start on that overlaps with none', () => {
  const taken = ['10.7.0.0/16', '10.8.3.0/24', '192.168.0.0/16'].flatMap(
    (text) => parseRange(text) ?? [],
  );
  const chosen = chooseRange(taken, 7);
  assert.equal(chosen && formatRange(chosen), '10.9.0.0/16');
  const wrapped = chooseRange([{ first: 0x0aff0000, bits: 16 }], 255);
  assert.equal(wrapped && formatRange(wrapped), '10.0.0.0/16');
  assert.equal(chooseRange([{ first: 0x0a000000, bits: 8 }], 0), undefined);
});
