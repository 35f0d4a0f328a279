import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seededRandom } from '@commongrid/base';
import * as fc from 'fast-check';
import { placeShards, replaceShard } from './place-shards.ts';
import { lossesSurvived, survives } from './placement-rules.ts';
import type { Candidate, PlacementRules } from './placement-rules.ts';

function candidate(no: number, some: Partial<Candidate['place']> = {}): Candidate {
  const place = { node: `n${no}`, farm: `f${no % 7}`, country: `c${(no % 7) % 3}`, ...some };
  return { no, place, isSpare: false, freeBytes: 1e9 };
}

function candidates(count: number): Candidate[] {
  return Array.from({ length: count }, (_, at) => candidate(at + 1));
}

const code: PlacementRules = { dataShards: 4, parityShards: 2 };
const numbersOf = (backends: readonly Candidate[]): number[] =>
  backends.map(({ no }) => no).toSorted((a, b) => a - b);

const anyPool = fc.record({
  chunkId: fc.uint8Array({ minLength: 16, maxLength: 16 }),
  dataShards: fc.integer({ min: 2, max: 8 }),
  parityShards: fc.integer({ min: 2, max: 4 }),
  nodes: fc.array(
    fc.record({ free: fc.integer({ min: 1, max: 1000 }), farm: fc.integer({ min: 0, max: 9 }) }),
    { minLength: 1, maxLength: 30 },
  ),
  farmShardsMax: fc.option(fc.integer({ min: 1, max: 4 }), { nil: undefined }),
});

function poolOf(nodes: readonly { free: number; farm: number }[]): Candidate[] {
  return nodes.map(({ free, farm }, at) => ({
    ...candidate(at + 1, { farm: `f${farm}`, country: `c${farm % 2}` }),
    freeBytes: free,
  }));
}

test('shards are on distinct nodes, and within farms, unless the chunk is degraded', () => {
  fc.assert(
    fc.property(anyPool, ({ chunkId, nodes, ...rules }) => {
      const pool = poolOf(nodes);
      const shardCount = rules.dataShards + rules.parityShards;
      if (nodes.length < rules.dataShards) {
        assert.throws(() => placeShards(chunkId, pool, rules), { code: 'ZSTOR_BACKENDS_TOO_FEW' });
        return;
      }
      const { backends, isDegraded } = placeShards(chunkId, pool, rules);
      assert.equal(backends.length, shardCount);
      const ofNodes = Map.groupBy(backends, ({ place }) => place.node);
      const counts = [...ofNodes.values()].map(({ length }) => length);
      assert.ok(Math.max(...counts) - Math.min(...counts) <= 1, 'evenly');
      assert.ok(Math.max(...counts) === 1 || nodes.length < shardCount);
      assert.ok(
        survives(
          backends.map(({ place }) => place.node),
          rules.dataShards,
          lossesSurvived(rules.parityShards, isDegraded),
        ),
      );
      if (isDegraded) return;
      const ofFarms = Map.groupBy(backends, ({ place }) => place.farm).values();
      for (const { length } of ofFarms) assert.ok(length <= (rules.farmShardsMax ?? Infinity));
    }),
  );
});

test('a backend that is lost or added moves one shard at most', () => {
  fc.assert(
    fc.property(anyPool, fc.nat(), ({ chunkId, nodes, ...rules }, at) => {
      const pool = poolOf(nodes);
      const rest = pool.toSpliced(at % pool.length, 1);
      if (rest.length < rules.dataShards + rules.parityShards) return;
      const before = placeShards(chunkId, pool, rules);
      const after = placeShards(chunkId, rest, rules);
      if (before.isDegraded || after.isDegraded) return;
      const stayed = numbersOf(after.backends).filter((no) =>
        numbersOf(before.backends).includes(no),
      );
      const moved = numbersOf(before.backends).length - stayed.length;
      assert.ok(moved <= 1, `${moved} moved`);
    }),
    { numRuns: 300 },
  );
});

test('backends get shards by their share of the free space', () => {
  const pool = candidates(24).map((each) => ({ ...each, freeBytes: each.no <= 12 ? 1e9 : 2e9 }));
  const random = seededRandom('balance');
  const counts = new Map<number, number>();
  for (let chunk = 0; chunk < 4000; chunk++) {
    const rules = { dataShards: 1, parityShards: 1 };
    for (const { no } of placeShards(random.bytes(16), pool, rules).backends) {
      counts.set(no, (counts.get(no) ?? 0) + 1);
    }
  }
  // 8,000 shards over 36 shares: 222 for the small ones, 444 for the large.
  for (const [no, count] of counts) {
    const expected = (8000 / 36) * (no <= 12 ? 1 : 2);
    assert.ok(Math.abs(count - expected) < expected * 0.3, `${no} has ${count}, not ${expected}`);
  }
});

test('spares are used when the others do not suffice, and only as many as are needed', () => {
  const chunkId = new Uint8Array(16);
  const spares = candidates(9).map((each) => ({ ...each, isSpare: each.no > 6 }));
  assert.deepEqual(numbersOf(placeShards(chunkId, spares, code).backends), [1, 2, 3, 4, 5, 6]);
  const fewer = spares.filter(({ no }) => no !== 2 && no !== 3);
  const { backends, isDegraded } = placeShards(chunkId, fewer, code);
  assert.equal(backends.filter(({ isSpare }) => isSpare).length, 2);
  assert.equal(isDegraded, false);
});

test('locations of a policy are the only ones that are used', () => {
  const rules = { ...code, locations: [3, 5, 7, 9, 11, 13] };
  const { backends } = placeShards(new Uint8Array(16).fill(1), candidates(20), rules);
  assert.deepEqual(numbersOf(backends), rules.locations);
});

test('too few nodes make a chunk degraded, fewer than k are refused', () => {
  const chunkId = new Uint8Array(16);
  const { backends, isDegraded } = placeShards(chunkId, candidates(4), code);
  assert.deepEqual([new Set(numbersOf(backends)).size, isDegraded], [4, true]);
  const tooFew = { code: 'ZSTOR_BACKENDS_TOO_FEW', retryable: true };
  assert.throws(() => placeShards(chunkId, candidates(3), code), tooFew);
  // Two of three shards on one node: its loss would lose the chunk.
  const small = { dataShards: 2, parityShards: 1 };
  assert.throws(() => placeShards(chunkId, candidates(2), small), tooFew);
  const oneNode = candidates(6).map(({ no }) => candidate(no, { node: 'same' }));
  assert.throws(() => placeShards(chunkId, oneNode, code), tooFew);
});

test('a shard whose backend fails goes to a node of its own while there is one', () => {
  const chunkId = new Uint8Array(16).fill(2);
  const pool = candidates(7);
  const { backends } = placeShards(chunkId, pool, code);
  const [lost, ...others] = backends;
  const failed = new Set([lost?.no ?? 0]);
  const next = replaceShard(chunkId, pool, code, others, failed);
  assert.ok(next !== undefined && !next.isDegraded);
  assert.ok(![...numbersOf(others), lost?.no].includes(next.backend.no));
  failed.add(next.backend.no);
  const doubled = replaceShard(chunkId, pool, code, others, failed);
  assert.equal(doubled?.isDegraded, true);
  const all = new Set(numbersOf(pool));
  assert.equal(replaceShard(chunkId, pool, code, others, all), undefined);
});
