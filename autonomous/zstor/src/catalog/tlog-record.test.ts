import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { hasCode } from '@commongrid/base/testing';
import fc from 'fast-check';
import { recordDictionary } from './record-dictionary.ts';
import { TlogCipher } from './tlog-cipher.ts';
import { bodyOf, decodeRecord, encodeRecord, makeRecord } from './tlog-record.ts';
import type { TlogKind, TlogRecord } from './tlog-record.ts';

const cipher = new TlogCipher(Buffer.alloc(32, 1), Buffer.alloc(16, 2));
const kinds: readonly TlogKind[] = ['changes', 'open', 'members', 'snapshot'];

function record(body: Uint8Array, fence = 2 ** 40 + 5): TlogRecord {
  const draft = {
    kind: 'changes' as const,
    epoch: 3,
    index: 12,
    prevHash: Buffer.alloc(32, 4),
    body,
  };
  return makeRecord(cipher, draft, { fence, committed: 11 });
}

test('record comes back as it was, packed or not', () => {
  const body = fc.oneof(
    fc.uint8Array({ maxLength: 300 }),
    fc.integer({ min: 1, max: 5000 }).map((length) => new Uint8Array(length)),
  );
  const index = fc.maxSafeNat();
  fc.assert(
    fc.property(
      body,
      fc.constantFrom(...kinds),
      index,
      fc.maxSafeNat(),
      (bytes, kind, at, fence) => {
        const draft = {
          kind,
          epoch: 2 ** 32 - 1,
          index: at,
          prevHash: Buffer.alloc(32, 4),
          body: bytes,
        };
        const made = makeRecord(cipher, draft, { fence, committed: at });
        const decoded = decodeRecord(cipher, encodeRecord(cipher, made));
        assert.deepEqual(decoded, made);
        assert.deepEqual(new Uint8Array(bodyOf(decoded)), bytes);
      },
    ),
    { numRuns: 60 },
  );
});

test('dictionary of format 2 is what it always was', () => {
  const hash = createHash('sha256').update(recordDictionary).digest('hex');
  assert.equal(hash, '407bc0d0ab29be85fb9488a0840277d22e4de8738c6835b5e387b6fa21d097bf');
});

test('record that is like many others is packed with the dictionary, and a long one without', () => {
  const changes = Buffer.concat([
    randomBytes(40),
    recordDictionary.subarray(-200),
    randomBytes(40),
  ]);
  const short = record(changes);
  assert.equal(short.packing, 'dictionary');
  assert.ok(short.packed.length < 130, `${short.packed.length} bytes`);
  assert.deepEqual(bodyOf(short), changes);
  assert.equal(record(Buffer.alloc(5_000, 'changes')).packing, 'zstd');
  assert.equal(record(randomBytes(300)).packing, 'none');
});

test('record that does not unpack with what it says is refused', () => {
  const packed = record(recordDictionary);
  assert.equal(packed.packing, 'dictionary');
  assert.throws(
    () => bodyOf({ ...packed, packing: 'zstd' }),
    hasCode('ZSTOR_CATALOG_RECORD_CORRUPT'),
  );
});

test('record that is changed or cut anywhere is refused', () => {
  const value = encodeRecord(cipher, record(Buffer.from('changes')));
  for (let i = 0; i < value.length; i++) {
    const changed = Buffer.from(value);
    changed.writeUInt8(changed.readUInt8(i) ^ 1, i);
    assert.throws(() => decodeRecord(cipher, changed), hasCode('ZSTOR_CATALOG_RECORD_CORRUPT'));
    assert.throws(
      () => decodeRecord(cipher, value.subarray(0, i)),
      hasCode('ZSTOR_CATALOG_RECORD_CORRUPT'),
    );
  }
});

test('record of another log or key is refused', () => {
  const value = encodeRecord(cipher, record(Buffer.from('changes')));
  for (const other of [
    new TlogCipher(Buffer.alloc(32, 9), Buffer.alloc(16, 2)),
    new TlogCipher(Buffer.alloc(32, 1), Buffer.alloc(16, 9)),
  ]) {
    assert.throws(() => decodeRecord(other, value), hasCode('ZSTOR_CATALOG_RECORD_CORRUPT'));
  }
});

test('record has one hash under every fence, and another one for any other content', () => {
  const first = record(Buffer.from('changes'));
  assert.deepEqual(record(Buffer.from('changes'), 99).hash, first.hash);
  assert.notDeepEqual(record(Buffer.from('changed')).hash, first.hash);
});

test('same record written twice is not the same bytes', () => {
  const same = record(Buffer.from('changes'));
  const values = [encodeRecord(cipher, same), encodeRecord(cipher, same)];
  assert.notDeepEqual(values[0], values[1]);
});
