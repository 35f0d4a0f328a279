import assert from 'node:assert/strict';
import { test } from 'node:test';
import { originalCrc32c } from './crc32c.ts';

/** The common form: begins with all ones, result inverted. Differs by a term of the length alone. */
function common(bytes: Buffer): number {
  const term = Buffer.alloc(bytes.length);
  term.fill(0xff, 0, 4);
  return (originalCrc32c(bytes.map((byte, i) => byte ^ (term[i] ?? 0))) ^ 0xffffffff) >>> 0;
}

test('the polynomial is the one of the check value of CRC-32C', () => {
  assert.equal(common(Buffer.from('123456789')), 0xe3069283);
  // RFC 3720, B.4: 32 bytes of zeros, of ones, rising.
  assert.equal(common(Buffer.alloc(32)), 0x8a9136aa);
  assert.equal(common(Buffer.alloc(32, 0xff)), 0x62a8ab43);
  assert.equal(common(Buffer.from(Array.from({ length: 32 }, (_, i) => i))), 0x46dd794e);
});

test('zeros, and nothing, have the sum zero', () => {
  assert.equal(originalCrc32c(Buffer.alloc(0)), 0);
  assert.equal(originalCrc32c(Buffer.alloc(100)), 0);
});
