import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Random, seededRandom } from '@commongrid/base';
import fc from 'fast-check';
import { KeyIndex } from './key-index.ts';

interface Entry {
  segment: number;
  offset: number;
  isDeleted: boolean;
  lengths: number;
}

interface Key {
  readonly id: number;
  readonly low: number;
  readonly high: number;
  readonly length: number;
}

/** What an index does, done with a map; a key is found by the place that its entry names. */
class Model {
  readonly index = new KeyIndex();
  readonly entries = new Map<number, { key: Key; entry: Entry }>();
  readonly #places = new Map<string, number>();
  #nextPlace = 1;

  /** Moves the index to the slot of a key, as a store does: by comparing the keys themselves. */
  find(key: Key): boolean {
    const { index } = this;
    for (let hit = index.first(key.low, key.high, key.length); hit; hit = index.next()) {
      if (this.#places.get(`${index.segment}/${index.offset}`) === key.id) return true;
    }
    return false;
  }

  put(key: Key, isDeleted: boolean): void {
    const place = this.#nextPlace++;
    const entry: Entry = {
      segment: 1 + (place % 0x7fffff),
      offset: (place % 0x1ffffff) * 8,
      isDeleted,
      lengths: ((key.length << 24) | (place & 0xffffff)) >>> 0,
    };
    const isKnown = this.find(key);
    assert.equal(isKnown, this.entries.has(key.id));
    const { segment, offset, lengths } = entry;
    if (isKnown) this.index.replace(segment, offset, isDeleted, lengths);
    else this.index.insert(segment, offset, isDeleted, lengths);
    this.#forgetPlace(key);
    this.#places.set(`${segment}/${offset}`, key.id);
    this.entries.set(key.id, { key, entry });
  }

  remove(key: Key): void {
    const isKnown = this.find(key);
    assert.equal(isKnown, this.entries.has(key.id));
    if (!isKnown) return;
    this.index.remove();
    this.#forgetPlace(key);
    this.entries.delete(key.id);
  }

  #forgetPlace(key: Key): void {
    const known = this.entries.get(key.id);
    if (known !== undefined) this.#places.delete(`${known.entry.segment}/${known.entry.offset}`);
  }

  check(): void {
    const { index } = this;
    for (const { key, entry } of this.entries.values()) {
      assert.ok(this.find(key), `key ${key.id}`);
      const { segment, offset, isDeleted, lengths } = index;
      assert.deepEqual({ segment, offset, isDeleted, lengths }, entry);
    }
    const all = [...this.entries.values()].map(({ entry }) => entry);
    assert.equal(index.liveCount, all.filter((one) => !one.isDeleted).length);
    assert.equal(index.deletedCount, all.filter((one) => one.isDeleted).length);
    const visited: string[] = [];
    index.forEach((segment, offset, lengths, isDeleted) => {
      visited.push(JSON.stringify({ segment, offset, isDeleted, lengths }));
    });
    assert.deepEqual(visited.toSorted(), all.map((one) => JSON.stringify(one)).toSorted());
  }
}

/** Hashes that have a lot in common, up to all 47 bits that a slot keeps. */
const collidingHash = fc.oneof(
  fc.record({ low: fc.constant(0x12345678), high: fc.constant(0x9abcdef0) }),
  fc.record({ low: fc.constant(0x12345678), high: fc.integer({ min: 0, max: 3 }) }),
  // Equal low bits: the same shard, however often it splits.
  fc.record({
    low: fc.integer({ min: 0, max: 0xffff }).map((high) => ((high << 16) | 0xabc) >>> 0),
    high: fc.integer({ min: 0, max: 0xffff_ffff }),
  }),
  // Equal high bits: the same home in every shard; the last ones wrap round.
  fc.record({
    low: fc.integer({ min: 0, max: 0xfff }).map((bits) => (0xfffff000 | bits) >>> 0),
    high: fc.integer({ min: 0, max: 1 }),
  }),
);

test('key index finds what a map finds, with any collisions', () => {
  const hashes = fc.array(collidingHash, { minLength: 60, maxLength: 60 });
  const steps = fc.array(
    fc.tuple(fc.integer({ min: 0, max: 59 }), fc.constantFrom('put', 'delete', 'remove')),
    { maxLength: 400 },
  );
  fc.assert(
    fc.property(hashes, steps, (all, list) => {
      const model = new Model();
      for (const [id, what] of list) {
        const { low, high } = all[id] as { low: number; high: number };
        const key = { id, low, high, length: 1 + (id % 2) };
        if (what === 'remove') model.remove(key);
        else model.put(key, what === 'delete');
      }
      model.check();
    }),
    { numRuns: 200 },
  );
});

test('key index finds every key while its shards grow and split', () => {
  const random = seededRandom('growth');
  const model = new Model();
  const keys = Array.from({ length: 60_000 }, (_unused, id) => randomKey(random, id));
  for (const key of keys) {
    model.put(key, key.id % 7 === 0);
    if (key.id % 5 === 4) model.remove(keys[random.int(0, key.id)] as Key);
  }
  assert.ok([...model.index.shards()].length > 1);
  model.check();
  for (const key of keys) model.remove(key);
  assert.equal(model.index.liveCount + model.index.deletedCount, 0);
  model.check();
});

test('key index splits a shard of keys that share their low bits', () => {
  const random = seededRandom('low bits');
  const model = new Model();
  for (let id = 0; id < 40_000; id++) {
    const key = randomKey(random, id);
    model.put({ ...key, low: ((key.low & ~7) | 5) >>> 0 }, false);
  }
  model.check();
});

test('key index takes its own shards back, and no others', () => {
  const random = seededRandom('shards');
  const { index } = filled(random, 100_000);
  const parts = [...index.shards()];
  assert.ok(parts.length > 2);
  const again = KeyIndex.fromShards(parts);
  assert.equal(again?.liveCount, 100_000);
  for (const { shard, prefix } of parts) assert.equal(again?.shardAt(prefix), shard);
  assert.equal(KeyIndex.fromShards(parts.slice(1)), undefined);
  assert.equal(KeyIndex.fromShards([...parts, parts[0] as (typeof parts)[0]]), undefined);
});

test('key index takes at most 35 bytes a key at every count from a thousand to two million', () => {
  const random = seededRandom('memory');
  const index = new KeyIndex();
  let next = 1000;
  let most = 0;
  for (let count = 1; count <= 2_000_000; count++) {
    // No key is there twice: 64 bits of hash.
    if (!index.first(random.uint32(), random.uint32(), 9)) index.insert(1, 8, false, 9 << 24);
    if (count < next) continue;
    const bytesPerKey = index.memoryBytes / count;
    most = Math.max(most, bytesPerKey);
    assert.ok(bytesPerKey <= 35, `${bytesPerKey} bytes a key at ${count} keys`);
    next = Math.ceil(count * 1.02);
  }
  assert.ok(most > 16, 'a slot alone takes 16 bytes');
});

function randomKey(random: Random, id: number): Key {
  return { id, low: random.uint32(), high: random.uint32(), length: 1 + (id % 200) };
}

function filled(random: Random, count: number): { index: KeyIndex } {
  const index = new KeyIndex();
  for (let i = 0; i < count; i++) {
    assert.equal(index.first(random.uint32(), random.uint32(), 9), false);
    index.insert(1 + (i % 100), (i % 1000) * 8, false, 9 << 24);
  }
  return { index };
}
