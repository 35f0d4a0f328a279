import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { crc32 } from './crc32.ts';

test('crc32 gives the published check value for "123456789"', () => {
  assert.equal(crc32(Buffer.from('123456789')), 0xcbf43926);
  assert.equal(crc32(new Uint8Array()), 0);
});

test('crc32 of pieces equals crc32 of the whole', () => {
  fc.assert(
    fc.property(fc.uint8Array(), fc.uint8Array(), (a, b) => {
      assert.equal(crc32(b, crc32(a)), crc32(Buffer.concat([a, b])));
    }),
  );
});
