import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { treeHasher } from './node-hasher.ts';
import { naiveRoot, someLeafHashes } from './testing/naive-tree.ts';
import { Tile, tileHeight, tileWidth } from './tile.ts';

const hashes = someLeafHashes(tileWidth);

test('tile gives the root over any complete part that it holds', () => {
  const grown = new Tile(treeHasher);
  for (const [index, hash] of hashes.entries()) {
    grown.push(hash);
    for (let height = 0; (index + 1) % 2 ** height === 0 && height <= tileHeight; height++) {
      const place = (index + 1) / 2 ** height - 1;
      const part = hashes.slice(place * 2 ** height, index + 1);
      assert.deepEqual(Buffer.from(grown.node(height, place)), naiveRoot(part));
    }
  }
  assert.ok(grown.isFull);
});

test('tile read from its bytes is the tile that was grown', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: tileWidth }), fc.nat(), (width, choice) => {
      const grown = new Tile(treeHasher);
      for (const hash of hashes.slice(0, width)) grown.push(hash);
      const read = new Tile(treeHasher, grown.bytes());
      assert.equal(read.width, width);
      assert.deepEqual(read.bytes(), grown.bytes());
      const height = Math.floor(Math.log2(width));
      assert.deepEqual(read.node(height, 0), grown.node(height, 0));
      const shorter = choice % (width + 1);
      assert.deepEqual(Buffer.from(grown.bytes(shorter)), Buffer.concat(hashes.slice(0, shorter)));
    }),
  );
});
