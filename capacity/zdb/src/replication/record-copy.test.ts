import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { namespaceOf } from '../engine/log/format.ts';
import { decodeRecord, encodeRecord } from './record-copy.ts';

const someRecord = fc.record({
  sequence: fc.integer({ min: 1, max: 2 ** 48 }),
  previous: fc.nat(),
  namespaceId: fc.nat({ max: 0xffffff }),
  isDeletion: fc.boolean(),
  timeSeconds: fc.nat(),
  key: fc.uint8Array({ minLength: 1, maxLength: 255 }).map((bytes) => Buffer.from(bytes)),
  value: fc.uint8Array({ maxLength: 2000 }).map((bytes) => Buffer.from(bytes)),
  segmentId: fc.constant(1),
  offset: fc.constant(64),
});

test('record on its own survives its form', () => {
  fc.assert(
    fc.property(someRecord, (record) => {
      const found = decodeRecord(encodeRecord(record));
      assert.ok(found !== undefined);
      const { bytes, keyStart, keyLength, valueLength } = found;
      assert.equal(found.sequence, record.sequence);
      assert.equal(found.previous, record.previous);
      assert.equal(found.timeSeconds, record.timeSeconds);
      assert.equal(namespaceOf(found.owner), record.namespaceId);
      const keyEnd = keyStart + keyLength;
      assert.deepEqual(bytes.subarray(keyStart, keyEnd), record.key);
      assert.deepEqual(bytes.subarray(keyEnd, keyEnd + valueLength), record.value);
    }),
  );
});

test('record on its own with any byte changed, or cut, is none', () => {
  fc.assert(
    fc.property(someRecord, fc.nat(), fc.integer({ min: 1, max: 255 }), (record, at, change) => {
      const bytes = encodeRecord(record);
      assert.equal(decodeRecord(bytes.subarray(0, at % bytes.length)), undefined);
      const place = at % bytes.length;
      bytes[place] = (bytes[place] ?? 0) ^ change;
      assert.equal(decodeRecord(bytes), undefined);
    }),
  );
});
