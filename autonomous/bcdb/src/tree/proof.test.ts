import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { treeHasher } from './node-hasher.ts';
import {
  consistencyProof,
  inclusionProof,
  isConsistent,
  isIncluded,
  pathHashesMax,
  rootAt,
} from './proof.ts';
import type { ConsistencyClaim, InclusionClaim } from './proof.ts';
import {
  naiveConsistency,
  naiveInclusion,
  naiveReader,
  naiveRoot,
  someLeafHashes,
} from './testing/naive-tree.ts';
import { consistencies, inclusions, leaves, roots } from './testing/rfc6962-vectors.ts';

const published = leaves.map((leaf) => treeHasher.leafHash(leaf));
const reader = naiveReader(published);

test('inclusion proofs are the published ones', () => {
  for (const { seq, size, path } of inclusions) {
    const made = inclusionProof(reader, seq, size);
    assert.deepEqual(texts(made), path);
    const root = hex(roots[size] ?? '');
    assert.ok(
      isIncluded(treeHasher, { leafHash: at(published, seq), seq, size, root, path: made }),
    );
  }
});

test('consistency proofs are the published ones', () => {
  for (const { from, to, path } of consistencies) {
    const made = consistencyProof(reader, from, to);
    assert.deepEqual(texts(made), path);
    const [oldRoot, newRoot] = [hex(roots[from] ?? ''), hex(roots[to] ?? '')];
    const claim = { oldSize: from, oldRoot, newSize: to, newRoot, path: made };
    assert.ok(isConsistent(treeHasher, claim));
  }
});

test('roots and proofs are those of the definition for each size up to 70', () => {
  const all = someLeafHashes(70);
  for (let size = 0; size <= all.length; size++) {
    const hashes = all.slice(0, size);
    const root = naiveRoot(hashes);
    assert.deepEqual(rootAt(naiveReader(all), size), root);
    for (let seq = 0; seq < size; seq++) {
      const path = inclusionProof(naiveReader(all), seq, size);
      assert.deepEqual(path, naiveInclusion(seq, hashes));
      assert.ok(isIncluded(treeHasher, { leafHash: at(all, seq), seq, size, root, path }));
    }
    for (let oldSize = 1; oldSize <= size; oldSize++) {
      const path = consistencyProof(naiveReader(all), oldSize, size);
      assert.deepEqual(path, naiveConsistency(oldSize, hashes));
      const oldRoot = naiveRoot(all.slice(0, oldSize));
      const claim = { oldSize, oldRoot, newSize: size, newRoot: root, path };
      assert.ok(isConsistent(treeHasher, claim));
    }
  }
});

test('proofs of larger trees are those of the definition', () => {
  const all = someLeafHashes(2000);
  fc.assert(
    fc.property(fc.integer({ min: 71, max: 2000 }), fc.nat(), (size, choice) => {
      const hashes = all.slice(0, size);
      const seq = choice % size;
      const root = naiveRoot(hashes);
      const path = inclusionProof(naiveReader(all), seq, size);
      assert.deepEqual(path, naiveInclusion(seq, hashes));
      assert.ok(isIncluded(treeHasher, { leafHash: at(all, seq), seq, size, root, path }));
      const oldSize = seq + 1;
      const proof = consistencyProof(naiveReader(all), oldSize, size);
      assert.deepEqual(proof, naiveConsistency(oldSize, hashes));
      const oldRoot = naiveRoot(all.slice(0, oldSize));
      const claim = { oldSize, oldRoot, newSize: size, newRoot: root, path: proof };
      assert.ok(isConsistent(treeHasher, claim));
    }),
    { numRuns: 40 },
  );
});

test('inclusion proof shows nothing once any part of the claim is changed', () => {
  const all = someLeafHashes(40);
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 40 }), fc.nat(), fc.nat(), (size, choice, place) => {
      const seq = choice % size;
      const path = inclusionProof(naiveReader(all), seq, size);
      const claim: InclusionClaim = {
        leafHash: at(all, seq),
        seq,
        size,
        root: naiveRoot(all.slice(0, size)),
        path,
      };
      assert.ok(isIncluded(treeHasher, claim));
      const changes: Partial<InclusionClaim>[] = [
        { leafHash: flipped(claim.leafHash, place) },
        { root: flipped(claim.root, place) },
        { root: new Uint8Array() },
        { seq: size },
        { seq: -1 },
        { seq: seq + 0.5 },
        { size: 0 },
        { size: Number.NaN },
        ...brokenPaths(path, place).map((wrong) => ({ path: wrong })),
        ...(size > 1 ? [{ seq: (seq + 1) % size }] : []),
      ];
      for (const change of changes) assert.ok(!isIncluded(treeHasher, { ...claim, ...change }));
    }),
  );
});

test('consistency proof shows nothing once any part of the claim is changed', () => {
  const all = someLeafHashes(40);
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 40 }), fc.nat(), fc.nat(), (newSize, choice, place) => {
      const oldSize = (choice % newSize) + 1;
      const path = consistencyProof(naiveReader(all), oldSize, newSize);
      const claim: ConsistencyClaim = {
        oldSize,
        oldRoot: naiveRoot(all.slice(0, oldSize)),
        newSize,
        newRoot: naiveRoot(all.slice(0, newSize)),
        path,
      };
      assert.ok(isConsistent(treeHasher, claim));
      const changes: Partial<ConsistencyClaim>[] = [
        { oldRoot: flipped(claim.oldRoot, place) },
        { newRoot: flipped(claim.newRoot, place) },
        { oldRoot: new Uint8Array(), newRoot: new Uint8Array() },
        { oldSize: newSize + 1 },
        { oldSize: 0 },
        { oldSize: -1 },
        { newSize: Number.POSITIVE_INFINITY },
        ...brokenPaths(path, place).map((wrong) => ({ path: wrong })),
      ];
      for (const change of changes) assert.ok(!isConsistent(treeHasher, { ...claim, ...change }));
    }),
  );
});

test('every tree begins with the empty one, which takes no proof', () => {
  const newRoot = hex(roots[8] ?? '');
  const claim = { oldSize: 0, oldRoot: treeHasher.emptyRoot, newSize: 8, newRoot, path: [] };
  assert.deepEqual(consistencyProof(reader, 0, 8), []);
  assert.ok(isConsistent(treeHasher, claim));
  assert.ok(!isConsistent(treeHasher, { ...claim, path: [newRoot] }));
  assert.ok(!isConsistent(treeHasher, { ...claim, oldRoot: newRoot }));
  assert.ok(!isConsistent(treeHasher, { ...claim, newSize: 0 }));
});

test('proofs beyond the tree are refused', () => {
  const wrong = [
    () => rootAt(reader, 9),
    () => rootAt(reader, -1),
    () => rootAt(reader, 1.5),
    () => inclusionProof(reader, 8, 8),
    () => inclusionProof(reader, 3, 9),
    () => inclusionProof(reader, -1, 8),
    () => inclusionProof(reader, Number.NaN, 8),
    () => consistencyProof(reader, 8, 7),
    () => consistencyProof(reader, 3, 9),
    () => consistencyProof(reader, -1, 8),
  ];
  for (const ask of wrong) assert.throws(ask, { code: 'BCDB_SEQ_UNKNOWN' }, ask.toString());
});

test('no proof of the largest log is longer than the limit', () => {
  const size = 2 ** 53 - 1;
  const some = at(published, 0);
  const huge = { hasher: treeHasher, size, node: () => some };
  for (const seq of [0, 2 ** 52, size - 1]) {
    assert.ok(inclusionProof(huge, seq, size).length <= pathHashesMax);
    assert.ok(consistencyProof(huge, seq + 1, size).length <= pathHashesMax);
  }
});

function brokenPaths(path: readonly Uint8Array[], place: number): Uint8Array[][] {
  const longer = [...path, treeHasher.emptyRoot];
  const ahead = [treeHasher.emptyRoot, ...path];
  if (path.length === 0) return [longer];
  const index = place % path.length;
  return [
    longer,
    ahead,
    path.slice(1),
    path.slice(0, -1),
    path.with(index, flipped(at(path, index), place)),
    path.with(index, at(path, index).subarray(1)),
    path.with(index, new Uint8Array()),
    ...(path.length > 1 ? [path.toReversed()] : []),
  ];
}

function flipped(bytes: Uint8Array, place: number): Uint8Array {
  const index = (place >> 3) % bytes.length;
  return bytes.with(index, (bytes[index] ?? 0) ^ (1 << (place & 7)));
}

function texts(hashes: readonly Uint8Array[]): string[] {
  return hashes.map((hash) => hash.toHex());
}

function hex(digits: string): Uint8Array {
  return Uint8Array.fromHex(digits);
}

function at(hashes: readonly Uint8Array[], index: number): Uint8Array {
  return hashes[index] ?? new Uint8Array();
}
