import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { documentOf, fileIn } from './file-document.ts';

const file = fc.record(
  {
    name: fc.string({ unit: 'binary', minLength: 1, maxLength: 300 }),
    sizeBytes: fc.maxSafeNat(),
    sha256: fc.uint8Array({ minLength: 32, maxLength: 32 }).map((hash) => {
      return Buffer.from(hash).toString('hex');
    }),
    atMs: fc.maxSafeNat(),
  },
  { noNullPrototype: true },
);

test('a file comes back out of its document, and out of one of JSON', () => {
  fc.assert(
    fc.property(file, (given) => {
      assert.deepEqual(fileIn(documentOf(given)), given);
      assert.deepEqual(fileIn(Buffer.from(JSON.stringify(given))), given);
    }),
  );
});

test('a document that is cut, or of another format, is no file', () => {
  const document = documentOf({ name: 'a', sizeBytes: 300, sha256: 'ab'.repeat(32), atMs: 1e12 });
  for (let at = 0; at < document.length; at++) {
    assert.throws(() => fileIn(document.subarray(0, at)), { code: 'ZSTOR_MANIFEST_CORRUPT' });
  }
  const other = Buffer.concat([Buffer.of(3), document.subarray(1)]);
  assert.throws(() => fileIn(other), { code: 'ZSTOR_MANIFEST_CORRUPT' });
});
