import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { fromBase64, fromBase64url, toBase64url } from './base64.ts';

test('base64 of any bytes reads back, and as nothing else', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 50 }), (bytes) => {
      assert.deepEqual(fromBase64url(toBase64url(bytes)), bytes);
      assert.deepEqual(fromBase64(bytes.toBase64()), bytes);
      assert.equal(toBase64url(bytes), Buffer.from(bytes).toString('base64url'));
    }),
  );
});

test('base64 has one spelling', () => {
  const wrong = ['AA==', 'AB', 'A', ' AA', 'AA\n', '-_+/', 'AA AA', '+/', 'é'];
  for (const text of wrong) assert.equal(fromBase64url(text), undefined, text);
  for (const text of ['AA', 'AA=', 'AB==', 'AA==\n', '-_==', 'AAAA=']) {
    assert.equal(fromBase64(text), undefined, text);
  }
});
