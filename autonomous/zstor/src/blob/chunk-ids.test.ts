import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seededRandom } from '@commongrid/base';
import { ChunkIds } from './chunk-ids.ts';
import type { ChunkIdRequest } from './chunk-ids.ts';

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

test('a chunk may be in flight until the request that took its id has ended', () => {
  let epoch = 5;
  const ids = new ChunkIds(() => epoch, seededRandom('ids'));
  const idOf = (request: ChunkIdRequest): Buffer => Buffer.from(request.next());
  const former = new ChunkIds(() => 4, seededRandom('former'));
  const next = new ChunkIds(() => 6, seededRandom('next'));
  const first = ids.begin();
  const second = ids.begin();
  const [a, b] = [idOf(first), idOf(second)];
  assert.deepEqual(
    [a, b].map((id) => ids.mayBeInFlight(id)),
    [true, true],
  );
  assert.equal(ids.mayBeInFlight(idOf(former.begin())), false);
  assert.equal(ids.mayBeInFlight(idOf(next.begin())), true);
  // It serves again: what it began before may still be committed.
  epoch = 7;
  first.end();
  const third = ids.begin();
  const c = idOf(third);
  assert.deepEqual(
    [b, c].map((id) => ids.mayBeInFlight(id)),
    [true, true],
  );
  second.end();
  assert.deepEqual(
    [a, b, c].map((id) => ids.mayBeInFlight(id)),
    [false, false, true],
  );
  assert.equal(ids.mayBeInFlight(idOf(next.begin())), false);
});
