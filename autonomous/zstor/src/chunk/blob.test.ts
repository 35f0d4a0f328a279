import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Blob } from './blob.ts';

test('a blob gives each place once, and none after the last', () => {
  const blob = new Blob();
  assert.deepEqual(
    [blob.nextPlace(false), blob.nextPlace(true)].map(({ index, isLast }) => [index, isLast]),
    [
      [0, false],
      [1, true],
    ],
  );
  assert.throws(() => blob.nextPlace(true), { code: 'ZSTOR_BLOB_ENDED' });
});

test('blobs share neither id nor key', () => {
  const [a, b] = [new Blob().secret, new Blob().secret];
  assert.notDeepEqual(a.id, b.id);
  assert.notDeepEqual(a.key, b.key);
  assert.deepEqual([a.id.length, a.key.length], [16, 32]);
});
