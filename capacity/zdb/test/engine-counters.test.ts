import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Random, seededRandom } from '@commongrid/base';
import { tempFolder } from '@commongrid/base/testing';
import { keyLengthOf, recordBytes, valueLengthOf } from '../src/engine/log/format.ts';
import type { Namespace } from '../src/engine/namespace.ts';
import { Segment } from '../src/engine/log/segment.ts';
import { ENTRY_BYTES } from '../src/engine/log/segment-index.ts';
import { countShares } from '../src/engine/log/segment-scan.ts';
import type { Store } from '../src/engine/store.ts';
import { StoreLoad } from '../src/testing/index.ts';
import { openStore, testSeed } from './support/engine-crash.ts';

const ROUNDS = 60;

/** What a store counts, and what counting anew gives: from entries and key indexes alone. */
async function counters(store: Store): Promise<{ kept: unknown; counted: unknown }> {
  const counted = new Map<number, Segment>();
  for (const { id, slot, path, firstSequence, index } of store.table.segments) {
    const segment = store.table.at(slot);
    assert.equal(segment.id, id, 'two segments have one slot');
    const copy = new Segment(store.table.files, { id, slot, path, firstSequence });
    countShares(copy, index ?? (await store.locator.load(segment)));
    counted.set(slot, copy);
  }
  const namespaces = store.namespaces.all().map((one) => countNamespace(one, counted));
  return {
    kept: {
      segments: store.table.segments.map((one) => sharesOf(store, one)),
      namespaces: store.namespaces.all().map((one) => {
        const { id, usedBytes, liveBytes, valueBytes, index } = one;
        const { liveCount, deletedCount } = index;
        return { id, usedBytes, liveBytes, valueBytes, liveCount, deletedCount };
      }),
    },
    counted: { segments: [...counted.values()].map((one) => sharesOf(store, one)), namespaces },
  };
}

/** Of namespaces that are gone nobody asks what lives. */
function sharesOf(store: Store, segment: Segment): unknown {
  const shares = [...segment.shares]
    .filter(([id, share]) => store.namespaces.byId(id) !== undefined && share.records > 0)
    .sort(([one], [other]) => one - other)
    .map(([id, share]) => ({ id, ...share }));
  return { id: segment.id, shares };
}

function countNamespace(namespace: Namespace, segments: ReadonlyMap<number, Segment>): unknown {
  const { id, index } = namespace;
  const count = { liveBytes: 0, valueBytes: 0, liveCount: 0, deletedCount: 0 };
  index.forEach((slot, _offset, lengths, isDeleted) => {
    const segment = segments.get(slot);
    assert.ok(segment !== undefined, `the index names slot ${slot}, which the log does not have`);
    if (isDeleted) {
      count.deletedCount++;
      return;
    }
    const bytes = recordBytes(keyLengthOf(lengths), valueLengthOf(lengths));
    const share = segment.share(id);
    share.liveRecords++;
    share.liveBytes += bytes;
    count.liveCount++;
    count.liveBytes += bytes;
    count.valueBytes += valueLengthOf(lengths);
  });
  let usedBytes = 0;
  for (const segment of segments.values()) {
    const share = segment.shares.get(id);
    if (share !== undefined) usedBytes += share.bytes + share.records * ENTRY_BYTES;
  }
  const { liveBytes, valueBytes, liveCount, deletedCount } = count;
  return { id, usedBytes, liveBytes, valueBytes, liveCount, deletedCount };
}

function changePolicy(store: Store, random: Random): void {
  const all = store.namespaces.list();
  const { settings } = all[random.int(0, all.length)] as Namespace;
  const keep = (['latest', 'all', 'versions', 'age'] as const)[random.int(0, 4)] ?? 'latest';
  const history = { keep, limit: random.int(1, 4) };
  store.putSettings({ ...settings, history, maxBytes: random.int(0, 3) * 1_500_000 });
}

test('counters of namespaces and segments stay what counting anew gives', async () => {
  const seed = testSeed();
  const random = seededRandom(seed);
  await using temp = await tempFolder('counters');
  let nowMs = 1_800_000_000_000;
  let monotonicMs = 0;
  const times = { nowMs: () => nowMs, monotonicMs: () => monotonicMs };
  const options = { ...times, segmentBytes: 1024 * 1024 };
  let store = await openStore(temp.path, options);
  for (let round = 0; round < ROUNDS; round++) {
    const load = new StoreLoad({ store, random, valueBytesMax: 60_000 });
    load.begin();
    // Beside it: the log goes on while compaction moves records and a checkpoint copies shards.
    const beside = random.int(0, 2) === 0 ? store.maintenance.compactAll() : undefined;
    for (let turn = 0; turn < 30; turn++) {
      if (turn % 10 === 5) changePolicy(store, random);
      await load.turn();
      const passedMs = random.int(-2000, 4000);
      nowMs += passedMs;
      monotonicMs += Math.max(0, passedMs);
      if (turn % 4 === 0) await new Promise(setImmediate);
    }
    await beside;
    await store.log.flush();
    await store.maintenance.checkpoint();
    const { kept, counted } = await counters(store);
    assert.deepEqual(kept, counted, `GRID_TEST_SEED=${seed} round ${round}`);
    if (random.int(0, 4) > 0) continue;
    store.table.checkpoint = random.int(0, 2) === 0 ? 0 : store.table.checkpoint;
    await store.close();
    store = await openStore(temp.path, options);
    const again = await counters(store);
    assert.deepEqual(again.kept, again.counted, `GRID_TEST_SEED=${seed} round ${round}, reopened`);
  }
  await store.close();
});
