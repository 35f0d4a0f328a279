import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { areIncluded } from '../tree/batch-proof.ts';
import { treeHasher } from '../tree/node-hasher.ts';
import { naiveRoot } from '../tree/testing/naive-tree.ts';
import { chainOf, emptyFeed, feedLeafHash, feedsRootOf, headWith, nextHead } from './feed-hash.ts';
import type { FeedHead } from './feed-hash.ts';
import { FeedTree } from './feed-tree.ts';

const sha256 = (bytes: Uint8Array): Uint8Array => createHash('sha256').update(bytes).digest();

const head = fc.record({
  count: fc.integer({ min: 1, max: 1e9 }),
  chain: fc.uint8Array({ minLength: 32, maxLength: 32 }),
});
const reader = fc.integer({ min: 0, max: 60 }).map((n) => `bot:${n}`);
const update = fc.array(fc.tuple(reader, head), { maxLength: 30 });

test('a tree that is updated step by step is the one that its last heads make', () => {
  fc.assert(
    fc.property(fc.array(update, { maxLength: 6 }), (updates) => {
      const tree = new FeedTree();
      const all = new Map<string, FeedHead>();
      for (const changes of updates) {
        tree.update(new Map(changes));
        for (const [name, one] of changes) all.set(name, one);
        const sorted = [...all].toSorted(([a], [b]) => (a < b ? -1 : 1));
        const leaves = sorted.map(([name, one]) => feedLeafHash(sha256, name, one));
        assert.deepEqual(Buffer.from(tree.root()), Buffer.from(naiveRoot(leaves)));
      }
    }),
  );
});

test('the places of a reader are in the tree, or next to where it would be', () => {
  fc.assert(
    fc.property(update, reader, (changes, name) => {
      const tree = new FeedTree();
      const all = new Map(changes);
      tree.update(all);
      const places = tree.placesOf(name);
      for (const { reader: placed, index, head: told } of places) {
        assert.deepEqual(told, all.get(placed));
        const leafHash = feedLeafHash(sha256, placed, told);
        const path = tree.proof([index]);
        const claim = {
          leaves: [{ seq: index, leafHash }],
          size: tree.size,
          root: tree.root(),
          path,
        };
        assert.ok(areIncluded(treeHasher, claim));
      }
      if (all.has(name))
        return assert.deepEqual(
          places.map((place) => place.reader),
          [name],
        );
      const others = [...all.keys(), name].toSorted();
      const at = others.indexOf(name);
      const expected = [others[at - 1], others[at + 1]].filter((one) => one !== undefined);
      assert.deepEqual(
        places.map((place) => place.reader),
        expected,
      );
    }),
  );
});

test('chain, leaf and root of feeds are the bytes of the format', () => {
  const leafHash = new Uint8Array(32).fill(1);
  const proposal = new Uint8Array(32).fill(2);
  const first = nextHead(sha256, emptyFeed, { seq: 5, leafHash, at: 1000, proposal: undefined });
  const second = nextHead(sha256, first, { seq: 6, leafHash, at: 2000, proposal });
  const link = (before: Uint8Array, seq: number, at: number, of: Uint8Array): Buffer => {
    const numbers = [Buffer.alloc(8), Buffer.alloc(8)] as const;
    numbers[0].writeBigUInt64BE(BigInt(seq));
    numbers[1].writeBigUInt64BE(BigInt(at));
    const parts = [before, numbers[0], leafHash, numbers[1], of];
    return createHash('sha256')
      .update(Buffer.concat([Buffer.from('commongrid/feed-link/1\0'), ...parts]))
      .digest();
  };
  const zeros = new Uint8Array(32);
  assert.deepEqual(Buffer.from(first.chain), link(zeros, 5, 1000, zeros));
  assert.deepEqual(Buffer.from(second.chain), link(first.chain, 6, 2000, proposal));
  assert.equal(second.count, 2);
  const links = [{ seq: 3, leafHash, at: 1000, proposal: undefined }];
  const third = headWith(sha256, second, chainOf(sha256, links));
  const antecedents = Buffer.concat([
    Buffer.from('commongrid/feed-antecedents/1\0'),
    second.chain,
    Buffer.from('0000000000000001', 'hex'),
    link(zeros, 3, 1000, zeros),
  ]);
  assert.deepEqual(Buffer.from(third.chain), sha256(antecedents));
  assert.equal(third.count, 3);
  const leaf = Buffer.concat([
    Buffer.from('\0commongrid/feed-leaf/1\0'),
    Buffer.from('0000000000000002', 'hex'),
    second.chain,
    Buffer.from('bot:x'),
  ]);
  assert.deepEqual(Buffer.from(feedLeafHash(sha256, 'bot:x', second)), sha256(leaf));
  const top = Buffer.concat([
    Buffer.from('commongrid/feeds-root/1\0'),
    Buffer.from('0000000000000003', 'hex'),
    leafHash,
  ]);
  assert.deepEqual(Buffer.from(feedsRootOf(sha256, 3, leafHash)), sha256(top));
});
