import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cachedBytesMax, cachedFramesMax, FrameCache } from './frame-cache.ts';

const entries = (first: number, count: number) =>
  Array.from({ length: count }, (_, i) => ({
    seq: first + i,
    leaf: Buffer.alloc(1),
    body: undefined,
  }));

test('frame cache finds the frame that holds a sequence', () => {
  const cache = new FrameCache();
  const frame = entries(10, 5);
  cache.add(10, frame, 100);
  assert.equal(cache.find(10), frame);
  assert.equal(cache.find(14), frame);
  assert.equal(cache.find(15), undefined);
  assert.equal(cache.find(9), undefined);
  cache.clear();
  assert.equal(cache.find(10), undefined);
});

test('frame cache drops what was used longest ago when it is full', () => {
  const cache = new FrameCache();
  for (let i = 0; i < cachedFramesMax; i++) cache.add(i, entries(i, 1), 1);
  cache.find(0);
  cache.add(1000, entries(1000, 1), 1);
  assert.notEqual(cache.find(0), undefined);
  assert.equal(cache.find(1), undefined);
});

test('frame cache stays below its bytes', () => {
  const cache = new FrameCache();
  cache.add(0, entries(0, 1), cachedBytesMax / 2);
  cache.add(1, entries(1, 1), cachedBytesMax);
  assert.equal(cache.find(0), undefined);
  assert.notEqual(cache.find(1), undefined);
  cache.add(2, entries(2, 1), cachedBytesMax + 1);
  assert.equal(cache.find(2), undefined);
});
