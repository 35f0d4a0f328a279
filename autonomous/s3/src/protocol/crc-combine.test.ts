import assert from 'node:assert/strict';
import { suite, test } from 'node:test';

import fc from 'fast-check';

import { combineCrcs } from './crc-combine.ts';
import type { Crc64 } from './crc.ts';
import { checksumStream } from './checksum.ts';

const algorithms = ['CRC32', 'CRC32C', 'CRC64NVME'] as const;
const algorithm = fc.constantFrom(...algorithms);

/** Up to 2^44 bytes, as many as 10,000 parts of 5 GiB have; round ones, too. */
const length = fc.oneof(
  fc.nat({ max: 300 }),
  fc.maxSafeNat().map((size) => size % 2 ** 44),
  fc.nat({ max: 44 }).map((bit) => 2 ** bit),
);

function crcOf(name: (typeof algorithms)[number], bytes: Uint8Array): Crc64 {
  const stream = checksumStream(name);
  stream.update(bytes);
  const digest = stream.digest();
  const high = digest.length === 8 ? digest.readInt32BE(0) : 0;
  return { high, low: digest.readInt32BE(digest.length - 4) };
}

suite('CRCs that are put together', () => {
  for (const name of algorithms) {
    test(`${name} is that of the whole, however long the parts are`, () => {
      const bytes = Buffer.alloc(200_000, 'some bytes that repeat');
      const whole = crcOf(name, bytes);
      for (const cut of [0, 1, 255, 256, 65_535, 65_536, 65_793, 131_072, 199_999, 200_000]) {
        const [first, second] = [bytes.subarray(0, cut), bytes.subarray(cut)];
        const both = combineCrcs(name, crcOf(name, first), crcOf(name, second), second.length);
        assert.deepEqual(both, whole, `cut at ${cut}`);
      }
    });
  }

  test('they are the same in whatever order they are put together', () => {
    const bytes = fc.uint8Array({ maxLength: 20 });
    fc.assert(
      fc.property(algorithm, bytes, bytes, length, bytes, length, (name, a, b, m, c, n) => {
        const [x, y, z] = [crcOf(name, a), crcOf(name, b), crcOf(name, c)];
        const left = combineCrcs(name, combineCrcs(name, x, y, m), z, n);
        const right = combineCrcs(name, x, combineCrcs(name, y, z, n), m + n);
        assert.deepEqual(left, right);
      }),
    );
  });
});
