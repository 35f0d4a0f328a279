import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { Frontier } from './frontier.ts';
import { treeHasher } from './node-hasher.ts';
import { naiveRoot, someLeafHashes } from './testing/naive-tree.ts';
import { leaves, roots } from './testing/rfc6962-vectors.ts';

test('frontier gives the published roots of eight leaves', () => {
  const frontier = new Frontier(treeHasher);
  assert.equal(frontier.root().toHex(), roots[0]);
  for (const [index, leaf] of leaves.entries()) {
    frontier.append(treeHasher.leafHash(leaf));
    assert.equal(frontier.root().toHex(), roots[index + 1], `${index + 1} leaves`);
  }
});

test('frontier gives the root of the definition at each size', () => {
  const hashes = someLeafHashes(300);
  const frontier = new Frontier(treeHasher);
  for (const [index, leafHash] of hashes.entries()) {
    frontier.append(leafHash);
    assert.equal(frontier.size, index + 1);
    assert.equal(frontier.root().toHex(), naiveRoot(hashes.slice(0, index + 1)).toHex());
  }
});

test('frontier goes back to a saved state, and on from it', () => {
  const hashes = someLeafHashes(200);
  fc.assert(
    fc.property(fc.nat(99), fc.nat(50), fc.nat(50), (first, dropped, then) => {
      const frontier = new Frontier(treeHasher);
      for (const leafHash of hashes.slice(0, first)) frontier.append(leafHash);
      const saved = frontier.save();
      for (const leafHash of hashes.slice(0, dropped)) frontier.append(leafHash);
      frontier.restore(saved);
      const other = new Frontier(treeHasher, saved);
      const later = hashes.slice(first, first + then);
      for (const leafHash of later) frontier.append(leafHash);
      for (const leafHash of later) other.append(leafHash);
      const root = naiveRoot(hashes.slice(0, first + then)).toHex();
      assert.equal(frontier.root().toHex(), root);
      assert.equal(other.root().toHex(), root);
      assert.equal(saved.size, first);
    }),
  );
});
