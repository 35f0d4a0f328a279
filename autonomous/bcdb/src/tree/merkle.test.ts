import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sha256 } from '@commongrid/crypto/browser';
import * as fc from 'fast-check';
import { completeHeight, isSameHash, splitPoint, TreeHasher } from './merkle.ts';
import { treeHasher } from './node-hasher.ts';

const hashers = [treeHasher, new TreeHasher(sha256)];

test('tree hasher gives the hashes of RFC 6962 in Node and without it', () => {
  const text = (value: string): Uint8Array => new TextEncoder().encode(value);
  for (const hasher of hashers) {
    assert.equal(
      hasher.emptyRoot.toHex(),
      'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
    );
    assert.equal(
      hasher.leafHash(new Uint8Array()).toHex(),
      '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d',
    );
    assert.equal(
      hasher.leafHash(text('L123456')).toHex(),
      '395aa064aa4c29f7010acfe3f25db9485bbd4b91897b6ad7ad547639252b4d56',
    );
  }
});

test('tree hasher keeps leaves apart from nodes', () => {
  const hashes = fc.uint8Array({ minLength: 32, maxLength: 32 });
  fc.assert(
    fc.property(hashes, hashes, (left, right) => {
      const [inNode, without] = hashers.map((hasher) => hasher.nodeHash(left, right));
      assert.deepEqual([...(inNode ?? [])], [...(without ?? [])]);
      const leaf = treeHasher.leafHash(Buffer.concat([left, right]));
      assert.ok(!isSameHash(leaf, treeHasher.nodeHash(left, right)));
    }),
  );
});

test('tree hasher gives hashes that later ones do not change', () => {
  const [a, b] = [new Uint8Array(32), new Uint8Array(32).fill(1)];
  const first = treeHasher.nodeHash(a, b);
  const copy = first.slice();
  treeHasher.nodeHash(b, a);
  assert.deepEqual(first, Buffer.from(copy));
});

test('splitPoint is the largest power of two below the size', () => {
  for (const [size, left] of [
    [2, 1],
    [3, 2],
    [4, 2],
    [5, 4],
    [256, 128],
    [257, 256],
    [2 ** 32 + 1, 2 ** 32],
    [2 ** 53 - 1, 2 ** 52],
  ] as const) {
    assert.equal(splitPoint(size), left);
  }
});

test('completeHeight knows powers of two from other sizes', () => {
  for (let height = 0; height < 53; height++) {
    assert.equal(completeHeight(2 ** height), height);
    if (height > 1) assert.equal(completeHeight(2 ** height - 1), undefined);
  }
  assert.equal(completeHeight(0), undefined);
});
