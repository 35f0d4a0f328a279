import assert from 'node:assert/strict';
import { test } from 'node:test';
import { delay, GridError, isGridError, seededRandom } from '@commongrid/base';
import * as fc from 'fast-check';
import { ManualClock } from '@commongrid/base/testing';
import type { Backend } from '../backends/backend.ts';
import { placeShards } from '../placement/place-shards.ts';
import { candidatesOf, ShardSpread } from './shard-spread.ts';

/** A backend that takes a turn or some for each put, and fails as it was told. */
function backendOf(
  no: number,
  fails: boolean,
  turns: number,
  stored: Map<string, number[]>,
): Backend {
  let answers = true;
  const node = `node-${no}`;
  const unused = (): Promise<never> => Promise.reject(new Error('not asked for here'));
  return {
    no,
    place: { node, farm: `farm-${no % 5}`, country: 'BE' },
    isSpare: false,
    get state() {
      return answers ? 'healthy' : 'suspect';
    },
    get isWritable() {
      return answers;
    },
    freeBytes: 1e9,
    readMs: { p50: 1, p95: 1 },
    get: unused,
    digest: unused,
    damagedKeys: async () => [],
    remove: unused,
    usedBytes: 0,
    getPart: unused,
    putAll: unused,
    scan: unused,
    async put(key) {
      for (let turn = 0; turn < turns; turn++) await Promise.resolve();
      if (fails) {
        answers = false;
        throw new GridError('ZSTOR_BACKEND_FAILED', 'as it was told');
      }
      stored.set(node, [...(stored.get(node) ?? []), key[0] ?? 0]);
    },
  };
}

const anySpread = fc.record({
  seed: fc.nat(),
  dataShards: fc.integer({ min: 2, max: 6 }),
  parityShards: fc.integer({ min: 1, max: 4 }),
  failing: fc.array(fc.boolean(), { minLength: 2, maxLength: 14 }),
});

/** Different shards that are left when these nodes are gone. */
function left(stored: ReadonlyMap<string, number[]>, lost: readonly string[]): number {
  const kept = [...stored].filter(([node]) => !lost.includes(node));
  return new Set(kept.flatMap(([, indexes]) => indexes)).size;
}

test('what is acknowledged survives the nodes that the write rule names', async () => {
  await fc.assert(
    fc.asyncProperty(anySpread, async ({ seed, dataShards, parityShards, failing }) => {
      const random = seededRandom(seed);
      const stored = new Map<string, number[]>();
      const all = failing.map((fails, at) => backendOf(at + 1, fails, random.int(1, 9), stored));
      const backends = { all, byNo: (no: number) => all[no - 1] };
      const rules = { dataShards, parityShards };
      const chunkId = random.bytes(16);
      const working = failing.filter((fails) => !fails).length;
      try {
        const placement = placeShards(chunkId, candidatesOf(backends), rules);
        const value = Buffer.alloc(1);
        const spread = new ShardSpread({
          ...{ backends, chunkId, rules, placement, kind: 'coded' },
          keyOf: (index) => Buffer.from([index]),
          valueOf: () => value,
        });
        await spread.survivable;
        // Worst are the nodes with most shards: without any one of them k are left.
        for (const node of stored.keys()) assert.ok(left(stored, [node]) >= dataShards);
        await spread.ended;
        for (const [index, no] of spread.locations.entries()) {
          if (no > 0) assert.ok(stored.get(`node-${no}`)?.includes(index));
        }
        assert.ok(working >= dataShards);
        if (working < dataShards + parityShards) return;
        assert.equal(left(stored, []), dataShards + parityShards, 'all are written in the end');
        const worst = [...stored].toSorted(([, a], [, b]) => b.length - a.length);
        const losses = worst.slice(0, Math.ceil(parityShards / 2)).map(([node]) => node);
        assert.ok(left(stored, losses) >= dataShards);
      } catch (error) {
        if (!isGridError(error, 'ZSTOR_BACKENDS_TOO_FEW')) throw error;
        assert.ok(working < dataShards + parityShards, 'never refused while there are enough');
      }
    }),
    { numRuns: 300 },
  );
});

test('16+4 is acknowledged with 18 shards, 4+2 with 5, and the rest is written', async () => {
  for (const [dataShards, parityShards, enough] of [
    [16, 4, 18],
    [4, 2, 5],
  ] as const) {
    const stored = new Map<string, number[]>();
    const shardCount = dataShards + parityShards;
    // Each takes much longer than the one before.
    const all = Array.from({ length: shardCount }, (_, at) =>
      backendOf(at + 1, false, (at + 1) * 50, stored),
    );
    const backends = { all, byNo: (no: number) => all[no - 1] };
    const chunkId = new Uint8Array(16);
    const rules = { dataShards, parityShards };
    const spread = new ShardSpread({
      ...{ backends, chunkId, rules, kind: 'coded' },
      placement: placeShards(chunkId, candidatesOf(backends), rules),
      keyOf: (index) => Buffer.from([index]),
      valueOf: () => Buffer.alloc(1),
    });
    await spread.survivable;
    assert.equal(stored.size, enough);
    await spread.ended;
    assert.equal(stored.size, shardCount);
  }
});

test('what is late is waited for half as long as the others took', async () => {
  const clock = new ManualClock();
  const latest = Promise.withResolvers<void>();
  const spread = spreadOf(clock, latest.promise);
  await clock.advance(20);
  await spread.survivable;
  let isSettled = false;
  const settling = spread.settle().then(() => (isSettled = true));
  await clock.advance(9);
  assert.ok(!isSettled);
  latest.resolve();
  await settling;
  assert.ok(!spread.locations.includes(0));
});

test('what is later than that is waited for no more', async () => {
  const clock = new ManualClock();
  const spread = spreadOf(clock, new Promise(() => {}));
  await clock.advance(20);
  await spread.survivable;
  const settling = spread.settle();
  await clock.advance(10);
  await settling;
  assert.equal(spread.locations.filter((no) => no === 0).length, 1);
  await spread.settle();
});

/** 4+2 with five backends that take 20 ms, and one that answers with `latest`. */
function spreadOf(clock: ManualClock, latest: Promise<void>): ShardSpread {
  const all = [1, 2, 3, 4, 5, 6].map((no): Backend => ({
    ...backendOf(no, false, 0, new Map()),
    put: () => (no === 6 ? latest : delay(20, { clock })),
  }));
  const backends = { all, byNo: (no: number) => all[no - 1] };
  const rules = { dataShards: 4, parityShards: 2 };
  const chunkId = seededRandom(1).bytes(16);
  const placement = placeShards(chunkId, candidatesOf(backends), rules);
  return new ShardSpread({
    ...{ backends, chunkId, rules, placement, kind: 'coded', clock },
    keyOf: (index) => Buffer.from([index]),
    valueOf: () => Buffer.alloc(1),
  });
}
