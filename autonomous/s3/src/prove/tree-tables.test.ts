import assert from 'node:assert/strict';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';

import { inclusionProof, isIncluded, rootAt } from '@commongrid/bcdb/browser';
import fc from 'fast-check';

import { createBucket } from '../meta/buckets.ts';
import { putVersion } from '../meta/put-version.ts';
import { MetaTables, noHeaders } from '../testing/meta-tables.ts';
import { growTree } from './grow-tree.ts';
import { appendLeaves, findLeaf, TreeReader, treeState, treeTables } from './tree-tables.ts';
import type { TreeLeaf } from './tree-tables.ts';
import { treeHasher } from './version-leaf.ts';

function leafOf(sequence: number): TreeLeaf {
  const hash = treeHasher.leafHash(Buffer.from(String(sequence)));
  return { sequence, state: { lock: undefined, legalHold: undefined }, hash };
}

/** The root as RFC 6962 defines it. */
function naiveRoot(hashes: readonly Uint8Array[]): Uint8Array {
  if (hashes.length <= 1) return hashes[0] ?? treeHasher.emptyRoot;
  let left = 1;
  while (left * 2 < hashes.length) left *= 2;
  return treeHasher.nodeHash(naiveRoot(hashes.slice(0, left)), naiveRoot(hashes.slice(left)));
}

test('the tree has the root of its leaves, however they came, and proves each of them', () => {
  const steps = fc.array(fc.integer({ min: 0, max: 600 }), { minLength: 1, maxLength: 4 });
  fc.assert(
    fc.property(steps, fc.nat(), (counts, chosen) => {
      using db = new DatabaseSync(':memory:');
      db.exec(treeTables);
      const leaves: TreeLeaf[] = [];
      for (const count of counts) {
        // Not every sequence is that of a version.
        const added = Array.from({ length: count }, (_, at) =>
          leafOf((leaves.length + at + 1) * 3),
        );
        appendLeaves(db, added, (leaves.length + count) * 3);
        leaves.push(...added);
      }
      assert.equal(treeState(db).size, leaves.length);
      const reader = new TreeReader(db);
      const root = rootAt(reader, leaves.length);
      assert.deepEqual(Buffer.from(root), Buffer.from(naiveRoot(leaves.map(({ hash }) => hash))));
      const leaf = leaves[chosen % Math.max(1, leaves.length)];
      if (leaf === undefined) return;
      const no = findLeaf(db, leaf.sequence)?.no ?? -1;
      const path = inclusionProof(reader, no, leaves.length);
      const claim = { leafHash: leaf.hash, seq: no, size: leaves.length, root, path };
      assert.equal(isIncluded(treeHasher, claim), true);
      assert.equal(findLeaf(db, leaf.sequence + 1), undefined);
    }),
    { numRuns: 30 },
  );
});

test('a leaf remembers the lock that the version had then', () => {
  using db = new DatabaseSync(':memory:');
  db.exec(treeTables);
  const lock = { mode: 'COMPLIANCE', retainUntilMs: 1_800_000_000_000 } as const;
  appendLeaves(db, [{ ...leafOf(4), state: { lock, legalHold: false } }], 4);
  assert.deepEqual(findLeaf(db, 4), { no: 0, state: { lock, legalHold: false } });
});

test('the tree grows by what is new, each version once', async () => {
  using tables = new MetaTables();
  const { db } = tables;
  db.exec(treeTables);
  const catalog = {
    read: <T>(query: (reader: DatabaseSync) => T): T => query(db),
    write: async <T>(change: (writer: DatabaseSync) => T): Promise<T> => change(db),
  };
  const never = new AbortController().signal;
  const bucket = { name: 'one', owner: 'me', createdMs: 1, keyNo: 0, isLockable: true };
  const ref = createBucket(db, bucket);
  const put = (key: string): number =>
    putVersion(
      db,
      ref,
      {
        ...{ key, id: tables.ids.next(), sizeBytes: 0, etag: 'e', modifiedMs: 1 },
        ...{ headers: noHeaders, checksum: undefined, body: { inline: Buffer.alloc(0) } },
      },
      { conditions: {}, datesMs: 1 },
    ).sequence;
  assert.equal(await growTree(catalog, never), 0);
  const first = [put('b'), put('a'), put('b')];
  assert.equal(await growTree(catalog, never), 3);
  assert.equal(await growTree(catalog, never), 3);
  const second = [put('b'), put('c')];
  assert.equal(await growTree(catalog, never), 5);
  const places = [...first, ...second].map((sequence) => findLeaf(db, sequence)?.no);
  assert.deepEqual(places, [0, 1, 2, 3, 4]);
});
