import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  decodeFrameHeader,
  decodeSegmentHeader,
  encodeFrameHeader,
  encodeSegmentHeader,
  FRAME_HEADER_BYTES,
  keyLengthOf,
  kindOf,
  namespaceOf,
  packLengths,
  packOwner,
  positionSeed,
  readUint53,
  recordBytes,
  valueLengthOf,
  writeUint53,
} from './format.ts';

const uint32 = fc.integer({ min: 0, max: 0xffff_ffff });
const uint53 = fc.maxSafeNat();
const logId = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });

// Objects as they are written in code, not without a prototype: they are compared strictly.
const plain = { noNullPrototype: true };

const segmentHeader = fc.record(
  { version: uint32, logId, segmentId: uint53, firstSequence: uint53, createdMs: uint53 },
  plain,
);

const frameHeader = fc.record(
  {
    logId,
    firstSequence: uint53,
    lastSequence: uint53,
    recordCount: uint32,
    payloadBytes: uint32,
    durableTo: uint53,
    flags: uint32,
  },
  plain,
);

test('segment header comes back as it was written', () => {
  fc.assert(
    fc.property(segmentHeader, (header) => {
      assert.deepEqual(decodeSegmentHeader(encodeSegmentHeader(header)), header);
    }),
  );
});

test('segment header with any flipped bit, or cut, is none', () => {
  const header = { version: 1, logId: 7n, segmentId: 3, firstSequence: 900, createdMs: 1234 };
  const bytes = encodeSegmentHeader(header);
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    assert.equal(decodeSegmentHeader(withFlipped(bytes, bit)), undefined, `bit ${bit}`);
  }
  assert.equal(decodeSegmentHeader(bytes.subarray(0, bytes.length - 1)), undefined);
});

test('frame header comes back as it was written, at its own place only', () => {
  fc.assert(
    fc.property(
      frameHeader,
      fc.integer({ min: 1, max: 1000 }),
      fc.integer({ min: 8, max: 1 << 25 }).map((word) => word * 8),
      fc.integer({ min: 0, max: 40 }),
      (header, segmentId, offset, at) => {
        const bytes = Buffer.alloc(FRAME_HEADER_BYTES + 80, 0xaa);
        encodeFrameHeader(bytes, at, header, segmentId, offset);
        assert.deepEqual(decodeFrameHeader(bytes, at, header.logId, segmentId, offset), header);
        const elsewhere = [
          decodeFrameHeader(bytes, at, header.logId, segmentId + 1, offset),
          decodeFrameHeader(bytes, at, header.logId, segmentId, offset + 8),
          decodeFrameHeader(bytes, at, header.logId ^ 1n, segmentId, offset),
        ];
        assert.deepEqual(elsewhere, [undefined, undefined, undefined]);
      },
    ),
  );
});

test('frame header with any flipped bit, or cut, is none', () => {
  const bytes = Buffer.alloc(FRAME_HEADER_BYTES);
  const header = { logId: 5n, firstSequence: 10, lastSequence: 12, recordCount: 3 };
  const rest = { payloadBytes: 96, durableTo: 9, flags: 0 };
  encodeFrameHeader(bytes, 0, { ...header, ...rest }, 1, 64);
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    const flipped = withFlipped(bytes, bit);
    assert.equal(decodeFrameHeader(flipped, 0, 5n, 1, 64), undefined, `bit ${bit}`);
  }
  assert.equal(decodeFrameHeader(bytes.subarray(0, 63), 0, 5n, 1, 64), undefined);
});

test('lengths and owners come back from their words', () => {
  const byte = fc.integer({ min: 0, max: 255 });
  const three = fc.integer({ min: 0, max: 0xffffff });
  fc.assert(
    fc.property(byte, three, (high, low) => {
      const lengths = packLengths(high, low);
      assert.deepEqual([keyLengthOf(lengths), valueLengthOf(lengths)], [high, low]);
      const owner = packOwner(low, high);
      assert.deepEqual([namespaceOf(owner), kindOf(owner)], [low, high]);
      const bytes = recordBytes(high, low);
      assert.ok(bytes % 8 === 0 && bytes >= 32 + high + low && bytes < 40 + high + low);
    }),
  );
});

test('whole numbers of 53 bits come back from 8 bytes, little endian', () => {
  fc.assert(
    fc.property(uint53, (value) => {
      const bytes = Buffer.alloc(8);
      writeUint53(bytes, value, 0);
      assert.equal(readUint53(bytes, 0), value);
      assert.equal(bytes.readBigUInt64LE(), BigInt(value));
    }),
  );
});

test('position seed differs between the places of a segment', () => {
  const seeds = new Set(Array.from({ length: 5000 }, (_unused, i) => positionSeed(77, i * 8)));
  assert.equal(seeds.size, 5000);
});

function withFlipped(bytes: Buffer, bit: number): Buffer {
  const copy = Buffer.from(bytes);
  copy[bit >>> 3] = (copy[bit >>> 3] as number) ^ (1 << (bit & 7));
  return copy;
}
