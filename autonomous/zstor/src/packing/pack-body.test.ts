import assert from 'node:assert/strict';
import { test } from 'node:test';
import { packBodyBytesOf, readPackList, writePackList } from './pack-body.ts';

const entries = [
  { chunkId: Buffer.alloc(16, 1), offset: 0, bytes: 100 },
  { chunkId: Buffer.alloc(16, 2), offset: 100, bytes: 17 },
];

test('a pack says what is in it', () => {
  const body = Buffer.alloc(packBodyBytesOf(117, entries.length));
  writePackList(body, entries);
  assert.deepEqual(readPackList(body), entries);
});

test('what is no pack, or cut, is told apart', () => {
  const body = Buffer.alloc(packBodyBytesOf(117, entries.length));
  writePackList(body, [...entries, { chunkId: Buffer.alloc(16, 3), offset: 100, bytes: 1_000 }]);
  for (const wrong of [Buffer.alloc(0), Buffer.alloc(100), body, body.subarray(0, -1)]) {
    assert.throws(() => readPackList(wrong), { code: 'ZSTOR_SHARD_UNKNOWN' });
  }
  const long = Buffer.from([0xff, 0xff, 0, 0, ...Buffer.from('ZPCK')]);
  assert.throws(() => readPackList(long), { code: 'ZSTOR_SHARD_UNKNOWN' });
});
