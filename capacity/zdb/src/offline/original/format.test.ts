import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  DATA_ENTRY_BYTES,
  dataHeaderFault,
  decodeDataEntry,
  decodeIndexMode,
  decodeNamespace,
  encodeDataEntry,
  encodeDataHeader,
  encodeIndexHeader,
  encodeNamespace,
} from './format.ts';

const u32 = fc.integer({ min: 0, max: 0xffffffff });
const u8 = fc.integer({ min: 0, max: 255 });

test('an entry of a data file is read as it was written', () => {
  const entries = fc.record(
    {
      keyLength: u8,
      valueLength: u32,
      previousOffset: u32,
      checksum: u32,
      flags: u8,
      timeSeconds: u32,
    },
    { noNullPrototype: true },
  );
  fc.assert(
    fc.property(entries, (entry) => {
      const bytes = encodeDataEntry(entry);
      assert.equal(bytes.length, DATA_ENTRY_BYTES);
      assert.deepEqual(decodeDataEntry(bytes, 0), entry);
    }),
  );
});

test('a namespace file is read as it was written, and refused when it is cut', () => {
  const text = fc.string({ minLength: 1, maxLength: 60 });
  const namespaces = fc.record(
    {
      name: text,
      password: text,
      maxBytes: fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER }),
      isPublic: fc.boolean(),
      isWorm: fc.boolean(),
    },
    { noNullPrototype: true },
  );
  fc.assert(
    fc.property(namespaces, (namespace) => {
      const bytes = encodeNamespace(namespace);
      assert.deepEqual(decodeNamespace(bytes), namespace);
      assert.equal(decodeNamespace(bytes.subarray(0, -1)), undefined);
    }),
  );
});

test('headers of other files, versions and numbers are told apart', () => {
  assert.equal(dataHeaderFault(encodeDataHeader(7), 7), undefined);
  assert.match(dataHeaderFault(encodeDataHeader(7), 8) ?? '', /file 7/);
  const other = encodeDataHeader(7);
  other.writeUInt32LE(2, 4);
  assert.match(dataHeaderFault(other, 7) ?? '', /version 2, not 3/);
  assert.match(dataHeaderFault(encodeIndexHeader(7, 'seq'), 7) ?? '', /no data file/);
  assert.equal(decodeIndexMode(encodeIndexHeader(0, 'seq')), 'seq');
  assert.equal(decodeIndexMode(encodeIndexHeader(0, 'user')), 'user');
  assert.equal(decodeIndexMode(encodeDataHeader(0)), undefined);
});
