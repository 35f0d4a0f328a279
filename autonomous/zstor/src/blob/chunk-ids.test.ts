import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seededRandom } from '@commongrid/base';
import { ChunkIds } from './chunk-ids.ts';

test('ids are epoch, counter and random bytes, and no two are the same', () => {
  let epoch = 7;
  const ids = new ChunkIds(() => epoch, seededRandom(1));
  const request = ids.begin();
  const first = Buffer.from(request.next());
  epoch = 8;
  const second = Buffer.from(request.next());
  assert.deepEqual([first.readUInt32BE(0), first.readBigUInt64BE(4)], [7, 0n]);
  assert.deepEqual([second.readUInt32BE(0), second.readBigUInt64BE(4)], [8, 1n]);
  assert.notEqual(first.readUInt32BE(12), second.readUInt32BE(12));
});

test('the oldest in flight is the first id of the oldest request that has not ended', () => {
  const ids = new ChunkIds(() => 1);
  const first = ids.begin();
  first.next();
  const second = ids.begin();
  second.next();
  second.next();
  assert.equal(ids.oldestInFlight, 0n);
  first.end();
  first.end();
  assert.equal(ids.oldestInFlight, 1n);
  second.end();
  assert.equal(ids.oldestInFlight, 3n);
});
