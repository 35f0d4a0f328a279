import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { areIncluded, batchProof } from './batch-proof.ts';
import { treeHasher } from './node-hasher.ts';
import { inclusionProof } from './proof.ts';
import { naiveReader, naiveRoot, someLeafHashes } from './testing/naive-tree.ts';

const all = someLeafHashes(80);
const reader = naiveReader(all);

/** Some places in a tree of some size. */
const places = fc.integer({ min: 1, max: all.length }).chain((size) =>
  fc.record({
    size: fc.constant(size),
    seqs: fc
      .uniqueArray(fc.nat({ max: size - 1 }), { minLength: 1, maxLength: 12 })
      .map((seqs) => seqs.toSorted((a, b) => a - b)),
  }),
);

function claimOf(size: number, seqs: readonly number[]) {
  const leaves = seqs.map((seq) => ({ seq, leafHash: all[seq] ?? new Uint8Array() }));
  const root = naiveRoot(all.slice(0, size));
  return { leaves, size, root, path: batchProof(reader, seqs, size) };
}

test('a batch proof shows all its leaves, in no more hashes than proofs of their own', () => {
  fc.assert(
    fc.property(places, ({ size, seqs }) => {
      const claim = claimOf(size, seqs);
      assert.ok(areIncluded(treeHasher, claim));
      const alone = seqs.map((seq) => inclusionProof(reader, seq, size).length);
      assert.ok(claim.path.length <= alone.reduce((sum, count) => sum + count));
    }),
  );
});

test('a batch proof of one leaf has the hashes of its inclusion proof', () => {
  for (let size = 1; size <= 40; size++) {
    for (let seq = 0; seq < size; seq++) {
      const alone = inclusionProof(reader, seq, size).map((hash) =>
        Buffer.from(hash).toString('hex'),
      );
      const batch = batchProof(reader, [seq], size).map((hash) =>
        Buffer.from(hash).toString('hex'),
      );
      assert.deepEqual(batch.toSorted(), alone.toSorted());
    }
  }
});

test('a batch proof of all leaves is empty', () => {
  const seqs = all.map((_, seq) => seq);
  assert.deepEqual(batchProof(reader, seqs, all.length), []);
  assert.ok(areIncluded(treeHasher, claimOf(all.length, seqs)));
});

test('what differs anywhere is not shown by a batch proof', () => {
  const other = new Uint8Array(32).fill(9);
  fc.assert(
    fc.property(places, fc.nat(), ({ size, seqs }, draw) => {
      const claim = claimOf(size, seqs);
      const { leaves, path } = claim;
      const leaf = draw % leaves.length;
      const moved = leaves.map((one, index) =>
        index === leaf ? { ...one, leafHash: other } : one,
      );
      assert.equal(areIncluded(treeHasher, { ...claim, leaves: moved }), false);
      assert.equal(areIncluded(treeHasher, { ...claim, root: other }), false);
      assert.equal(areIncluded(treeHasher, { ...claim, path: [...path, other] }), false);
      if (path.length === 0) return;
      const hash = draw % path.length;
      assert.equal(areIncluded(treeHasher, { ...claim, path: path.toSpliced(hash, 1) }), false);
      assert.equal(areIncluded(treeHasher, { ...claim, path: path.with(hash, other) }), false);
      const short = path.with(hash, other.subarray(1));
      assert.equal(areIncluded(treeHasher, { ...claim, path: short }), false);
    }),
  );
});

test('leaves out of order, twice, or outside of the tree are not shown by a batch proof', () => {
  const claim = claimOf(11, [2, 5]);
  const [first, second] = claim.leaves;
  assert.ok(first !== undefined && second !== undefined);
  for (const leaves of [
    [second, first],
    [first, first, second],
    [first, { ...second, seq: 11 }],
    [{ ...first, seq: -1 }, second],
    [{ ...first, seq: 2.5 }, second],
    [first],
    [],
  ]) {
    assert.equal(areIncluded(treeHasher, { ...claim, leaves }), false);
  }
  for (const size of [0, 5, 7, 200, -1, 1.5, Number.NaN, 2 ** 60]) {
    assert.equal(areIncluded(treeHasher, { ...claim, size }), false);
  }
});

test('no leaves take no proof', () => {
  const claim = { leaves: [], size: 11, root: naiveRoot(all.slice(0, 11)), path: [] };
  assert.ok(areIncluded(treeHasher, claim));
  assert.deepEqual(batchProof(reader, [], 11), []);
});

test('a batch proof is made for leaves that are there, in order', () => {
  for (const seqs of [[11], [3, 3], [5, 3], [-1], [1.5]]) {
    assert.throws(() => batchProof(reader, seqs, 11), { code: 'BCDB_SEQ_UNKNOWN' });
  }
  assert.throws(() => batchProof(reader, [1], all.length + 1), { code: 'BCDB_SEQ_UNKNOWN' });
});
