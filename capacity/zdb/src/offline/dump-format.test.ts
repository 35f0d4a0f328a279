import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isGridError } from '@commongrid/base';
import fc from 'fast-check';
import { decodeLine, type DumpRecord, encodeLine } from './dump-format.ts';

const bytes = (maxLength: number): fc.Arbitrary<Buffer> =>
  fc.uint8Array({ maxLength }).map((array) => Buffer.from(array));

const records: fc.Arbitrary<DumpRecord> = fc
  .record(
    {
      namespaceId: fc.integer({ min: 1, max: 0xffffff }),
      kind: fc.constantFrom(1, 2, 3),
      sequence: fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
      previous: fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER }),
      timeSeconds: fc.integer({ min: 0, max: 0xffffffff }),
      key: bytes(255),
      value: bytes(300),
    },
    { noNullPrototype: true },
  )
  .map((record) => (record.kind === 1 ? record : { ...record, value: Buffer.alloc(0) }));

test('a record is read from its line as it was written', () => {
  fc.assert(
    fc.property(records, (record) => {
      const line = encodeLine({ record });
      assert.equal(line.indexOf(10), line.length - 1);
      assert.deepEqual(decodeLine(line.subarray(0, -1), 1), { record });
    }),
  );
});

test('a line with a changed, missing or additional byte is refused', () => {
  const changes = fc.record({ at: fc.nat(), by: fc.integer({ min: 1, max: 255 }) });
  fc.assert(
    fc.property(records, changes, ({ ...record }, { at, by }) => {
      const line = encodeLine({ record }).subarray(0, -1);
      const position = at % line.length;
      const changed = Buffer.from(line);
      changed[position] = (changed[position] ?? 0) ^ by;
      const rest = line.subarray(position + 1);
      const cut = Buffer.concat([line.subarray(0, position), rest]);
      const longer = Buffer.concat([
        line.subarray(0, position),
        Buffer.from([by]),
        line.subarray(position),
      ]);
      for (const bad of [changed, cut, longer]) {
        if (bad.equals(line)) continue;
        assert.throws(
          () => decodeLine(bad, 7),
          (error) => isGridError(error, 'ZDB_DUMP_CORRUPT') && error.details['lineNumber'] === 7,
        );
      }
    }),
  );
});
