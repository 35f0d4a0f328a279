import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { seededRandom } from '@commongrid/base';
import { tempFolder } from '@commongrid/base/testing';
import { decodeFrameHeader, FRAME_HEADER_BYTES, recordBytes } from '../src/engine/log/format.ts';
import { realFiles } from '@commongrid/files';
import { MANIFEST_NAME, readManifest } from '../src/engine/log/manifest.ts';
import type { Shard } from '../src/engine/keys/key-index.ts';
import type { Namespace } from '../src/engine/namespace.ts';
import type { Store } from '../src/engine/store.ts';
import { differences, findLoss, Journal, StoreLoad, untilFetched } from '../src/testing/index.ts';
import { FOLDER, openStore, testSeed } from './support/engine-crash.ts';

function putNow(
  store: Store,
  namespace: Namespace,
  key: string,
  value: Buffer,
): ReturnType<Store['set']> {
  const source = Buffer.concat([Buffer.from(key), value]);
  const keyLength = source.length - value.length;
  return store.set(namespace, source, 0, keyLength, keyLength, value.length, 1);
}

function put(store: Store, namespace: Namespace, key: string, value: Buffer): void {
  const done = putNow(store, namespace, key, value);
  assert.ok(done === 'written' || done === 'same', done);
}

async function get(store: Store, namespace: Namespace, key: string): Promise<Buffer | undefined> {
  const source = Buffer.from(key);
  const found = await untilFetched(store, () => store.lookup(namespace, source, 0, source.length));
  const value = found === 'live' ? Buffer.from(store.value()) : undefined;
  store.reader.fetched = [];
  return value;
}

test('store opens with every key after a checkpoint during which shards split', async () => {
  await using temp = await tempFolder('maintenance');
  // One segment: nothing else is done behind the scenes.
  const store = await openStore(temp.path, { segmentBytes: 64 * 1024 * 1024 });
  const namespace = store.namespaces.default;
  const value = Buffer.from('v');
  let count = 0;
  const add = (keys: number): void => {
    for (const end = count + keys; count < end; count++) put(store, namespace, `${count}`, value);
    store.log.turn();
  };
  const shards = (): Shard[] => [...namespace.index.shards()].map((one) => one.shard);
  add(60_000);
  // On until a shard that is too large to grow is nearly full: the next turns make it split.
  const isNearSplit = (one: Shard): boolean =>
    one.capacity > 22_000 && one.used > one.capacity * 0.797;
  while (!shards().some(isNearSplit)) add(100);
  const before = shards().length;
  const checkpoint = store.maintenance.checkpoint();
  for (let turn = 0; turn < 200 && shards().length === before; turn++) {
    add(turn < 3 ? 1 : 400);
    await new Promise(setImmediate);
  }
  assert.equal(store.table.checkpoint, 0, 'the checkpoint was done before a shard split');
  assert.ok(shards().length > before, 'no shard split');
  await checkpoint;
  const written = count;
  await store.close();
  const again = await openStore(temp.path);
  assert.equal(again.namespaces.default.index.liveCount, written);
  for (let i = 0; i < written; i += 7) {
    assert.ok(await get(again, again.namespaces.default, `${i}`), `key ${i}`);
  }
  await again.close();
});

test('store with a checkpoint holds the same as one that builds its index anew', async () => {
  const seed = testSeed();
  await using temp = await tempFolder('maintenance');
  const store = await openStore(temp.path);
  const load = new StoreLoad({ store, random: seededRandom(seed), valueBytesMax: 20_000 });
  load.begin();
  for (let turn = 0; turn < 200; turn++) {
    await load.turn();
    if (turn % 50 === 25) await store.maintenance.checkpoint();
    if (turn % 70 === 35) await store.maintenance.compactAll();
  }
  await store.maintenance.checkpoint();
  for (let turn = 0; turn < 20; turn++) await load.turn();
  const { lastSequence } = load.journal;
  await store.close();
  for (const isWithout of [false, true]) {
    const again = await openStore(temp.path);
    const faults = await findLoss(again, load.journal, lastSequence);
    assert.deepEqual(faults, [], `GRID_TEST_SEED=${seed} without=${isWithout}`);
    again.table.checkpoint = 0;
    await again.close();
  }
});

test('scan finds every key while compaction moves them', async () => {
  await using temp = await tempFolder('maintenance');
  const store = await openStore(temp.path);
  const namespace = store.createNamespace('scanned', 'user');
  const other = store.createNamespace('other', 'user');
  for (let i = 0; i < 20_000; i++) {
    put(store, namespace, `stays-${i}`, Buffer.from(`value ${i}`));
    put(store, other, `goes-${i % 100}`, Buffer.from(`value ${i}`));
    if (i % 500 === 0) store.log.turn();
  }
  await store.log.flush();
  const compaction = store.maintenance.compactAll();
  let isCompacting = true;
  void compaction.finally(() => {
    isCompacting = false;
  });
  for (let round = 0; round === 0 || isCompacting; round++) {
    const seen = new Set<string>();
    let after = 0;
    for (;;) {
      const page = await store.history.scan(namespace, { after, limit: 700 });
      for (const item of page.items) seen.add(item.key.toString());
      if (page.isEnd) break;
      after = page.last;
      await new Promise(setImmediate);
    }
    assert.equal(seen.size, 20_000, `round ${round}`);
  }
  await compaction;
  await store.close();
});

test('store reads right values while compaction moves them', async () => {
  await using temp = await tempFolder('maintenance');
  const store = await openStore(temp.path, { cacheBytes: 64 * 1024 });
  const namespace = store.createNamespace('read', 'user');
  const expected = new Map<string, Buffer>();
  const random = seededRandom(testSeed());
  const write = async (key: string): Promise<void> => {
    const value = Buffer.from(random.bytes(random.int(0, 30_000)));
    await untilFetched(store, () => putNow(store, namespace, key, value));
    expected.set(key, value);
  };
  for (let i = 0; i < 600; i++) await write(`key-${i % 200}`);
  await store.log.flush();
  for (let round = 0; round < 4; round++) {
    const compaction = store.maintenance.compactAll();
    for (let i = 0; i < 300; i++) {
      const key = `key-${random.int(0, 200)}`;
      const wanted = expected.get(key);
      assert.deepEqual(await get(store, namespace, key), wanted, key);
      if (i % 10 === 0) await write(`key-${random.int(0, 200)}`);
      store.log.turn();
    }
    await compaction;
  }
  const state = new Map([
    ['read', expected],
    ['default', new Map<string, Buffer>()],
  ]);
  assert.deepEqual(await differences(store, state, new Journal()), []);
  await store.close();
});

test('manifest names a segment that was begun while an older manifest was on its way', async () => {
  await using temp = await tempFolder('maintenance');
  const store = await openStore(temp.path);
  put(store, store.namespaces.default, 'one', Buffer.from('value'));
  await store.log.flush();
  store.log.rotate();
  const saving = store.table.saveBehind();
  put(store, store.namespaces.default, 'two', Buffer.from('value'));
  store.log.turn();
  const named = store.table.segments.map((segment) => segment.id);
  assert.equal(named.length, 2);
  await saving;
  const manifest = readManifest(realFiles, path.join(temp.path, FOLDER, MANIFEST_NAME));
  assert.deepEqual(
    manifest?.segments.map((segment) => segment.id),
    named,
  );
  await store.close();
});

test('default namespace is there after it was emptied', async () => {
  await using temp = await tempFolder('maintenance');
  const store = await openStore(temp.path);
  put(store, store.namespaces.default, 'key', Buffer.from('value'));
  store.flushNamespace(store.namespaces.default);
  assert.equal(store.namespaces.default.index.liveCount, 0);
  put(store, store.namespaces.default, 'other', Buffer.from('value'));
  await store.close();
  const again = await openStore(temp.path);
  assert.equal(again.namespaces.default.index.liveCount, 1);
  await again.close();
});

for (const [what, count, size] of [
  ['larger than a segment', 3, 600_000],
  ['larger than a batch', 3, 5_000_000],
] as const) {
  test(`records kept together are one frame also when they are ${what}`, async () => {
    await using temp = await tempFolder('maintenance');
    const store = await openStore(temp.path);
    const namespace = store.namespaces.default;
    put(store, namespace, 'before', Buffer.from('value'));
    await store.log.flush();
    const from = store.log.lastSequence;
    const value = Buffer.alloc(size, 1);
    store.log.keepTogether(count * recordBytes(1, size), count);
    for (let i = 0; i < count; i++) put(store, namespace, String(i), value);
    await store.log.flush();
    const first = await store.locator.find(from + 1);
    assert.ok(first !== undefined);
    const { segment, entry } = first;
    const at = entry.offset - FRAME_HEADER_BYTES;
    const bytes = Buffer.alloc(FRAME_HEADER_BYTES);
    fs.readSync(segment.fd, bytes, 0, bytes.length, at);
    const frame = decodeFrameHeader(bytes, 0, store.table.logId, segment.id, at);
    assert.equal(frame?.recordCount, count, 'a part of the group is in another frame');
    await store.close();
    const again = await openStore(temp.path);
    assert.deepEqual(await get(again, again.namespaces.default, '1'), value);
    await again.close();
  });
}

test('segment that fills up while a checkpoint is written is sealed before that ends', async () => {
  await using temp = await tempFolder('maintenance');
  const checkpoints: number[] = [];
  const store = await openStore(temp.path, {
    onSealed: () => checkpoints.push(store.table.checkpoint),
  });
  const namespace = store.namespaces.default;
  put(store, namespace, 'before', Buffer.from('value'));
  await store.log.flush();
  const flush = store.log.flush.bind(store.log);
  let calls = 0;
  store.log.flush = async (upTo) => {
    if (calls++ === 0) {
      store.log.rotate();
      put(store, namespace, 'after', Buffer.from('value'));
    }
    await flush(upTo);
  };
  await store.maintenance.checkpoint();
  assert.deepEqual(checkpoints, [0]);
  assert.equal(store.table.checkpoint, 1);
  await store.close();
  const again = await openStore(temp.path);
  assert.equal(again.namespaces.default.index.liveCount, 2);
  await again.close();
});
