import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { cp, open } from 'node:fs/promises';
import { test } from 'node:test';
import { type Random, seededRandom } from '@commongrid/base';
import { tempFolder } from '@commongrid/base/testing';
import { realFiles } from '@commongrid/files';
import { soundFrameAt } from '../src/engine/log/frame-reader.ts';
import { Store } from '../src/engine/store.ts';
import { FrameApplier } from '../src/replication/frame-applier.ts';
import { LogFeed } from '../src/replication/log-feed.ts';
import { truncateFolder } from '../src/replication/truncate.ts';
import { StoreLoad } from '../src/testing/store-load.ts';
import { contentOf, newest } from './support/replicated.ts';

const SMALL = { segmentBytes: 1024 * 1024, cacheBytes: 1024 * 1024 };

interface Follower {
  readonly store: Store;
  readonly folder: string;
  readonly applier: FrameApplier;
}

async function openReplica(folder: string, logId: bigint): Promise<Follower> {
  const store = await Store.open({ folder, isReplica: true, logId, ...SMALL });
  const applier = new FrameApplier(store, () => undefined);
  return { store, folder, applier };
}

/** Hands over what is on disk at the master; in between others work. */
async function follow(feed: LogFeed, master: Store, replica: Follower): Promise<void> {
  for (;;) {
    const batch = await feed.next();
    if (batch === undefined) return;
    const { compactedThrough, deletionsDroppedThrough } = master.table;
    await replica.applier.apply({
      ...batch,
      compactedThrough: batch.isSparse ? compactedThrough : 0,
      deletionsDroppedThrough: batch.isSparse ? deletionsDroppedThrough : 0,
    });
  }
}

async function load(store: Store, random: Random, turns: number): Promise<void> {
  const work = new StoreLoad({ store, random });
  work.begin();
  for (let i = 0; i < turns; i++) await work.turn();
  await store.log.flush();
}

for (const seed of [1, 2, 3]) {
  test(`feed brings a replica to its master's state through compaction (seed ${seed})`, async () => {
    await using folder = await tempFolder('feed');
    const random = seededRandom(seed);
    const master = await Store.open({ folder: `${folder.path}/a`, ...SMALL });
    let replica = await openReplica(`${folder.path}/b`, master.table.logId);
    let feed = new LogFeed(master, 0);
    for (let round = 0; round < 8; round++) {
      await load(master, random, 30);
      const compacting = random.int(0, 2) === 0 ? master.maintenance.compactAll() : undefined;
      if (random.int(0, 3) > 0) await follow(feed, master, replica);
      await compacting;
      if (random.int(0, 3) === 0) {
        await replica.store.close();
        replica = await openReplica(replica.folder, master.table.logId);
        feed = new LogFeed(master, replica.store.log.lastSequence);
      }
    }
    await follow(feed, master, replica);
    await replica.store.log.flush();
    assert.equal(replica.store.log.lastSequence, master.log.lastSequence);
    assert.deepEqual(await newest(replica.store), await newest(master));
    await replica.store.close();
    const again = await openReplica(replica.folder, master.table.logId);
    assert.deepEqual(again.store.recovery, []);
    assert.deepEqual(await newest(again.store), await newest(master));
    await again.store.close();
    await master.close();
  });
}

test('feed of a compacted log tells the replica that it is not whole before its end', async () => {
  await using folder = await tempFolder('feed');
  const master = await Store.open({ folder: `${folder.path}/a`, ...SMALL });
  await load(master, seededRandom(4), 200);
  await master.maintenance.compactAll();
  const decidedAt = master.table.compactedThrough;
  assert.ok(decidedAt > 0);
  await load(master, seededRandom(5), 20);
  const replica = await openReplica(`${folder.path}/b`, master.table.logId);
  const feed = new LogFeed(master, 0);
  const batch = await feed.next();
  assert.ok(batch !== undefined && batch.isSparse);
  await replica.applier.apply({
    ...batch,
    compactedThrough: decidedAt,
    deletionsDroppedThrough: master.table.deletionsDroppedThrough,
  });
  await replica.store.close();
  const half = await openReplica(`${folder.path}/b`, master.table.logId);
  assert.equal(half.store.table.compactedThrough, decidedAt);
  await follow(new LogFeed(master, half.store.log.lastSequence), master, half);
  assert.ok(half.store.log.lastSequence >= decidedAt);
  assert.deepEqual(await newest(half.store), await newest(master));
  await half.store.close();
  await master.close();
});

test('feed stops at a damaged record and names it', async () => {
  await using folder = await tempFolder('feed');
  const master = await Store.open({ folder: folder.path, ...SMALL });
  await load(master, seededRandom(6), 40);
  const [segment] = master.table.segments;
  assert.ok(segment !== undefined);
  const file = await open(segment.path, 'r+');
  await file.write(Buffer.from([0xff, 0xfe]), 0, 2, 5000);
  await file.close();
  const feed = new LogFeed(master, 0);
  await assert.rejects(
    async () => {
      while ((await feed.next()) !== undefined);
    },
    { code: 'ZDB_READ_FAILED', message: /segment-0+1\.log/ },
  );
  await master.close();
});

test('log can be cut after any record, whatever step the cut is interrupted at', async () => {
  await using folder = await tempFolder('cut');
  const original = `${folder.path}/original`;
  const store = await Store.open({ folder: original, ...SMALL });
  const states = new Map<number, Record<string, unknown>>();
  for (let i = 0; i < 12; i++) {
    await fill(store, i);
    states.set(store.log.lastSequence, await contentOf(store));
  }
  assert.ok(store.table.segments.length > 2);
  await store.maintenance.checkpoint();
  await store.close();
  const cuts = [...states.keys()].slice(0, -1).filter((_, i) => i % 3 === 0);
  for (const [i, sequence] of cuts.entries()) {
    for (let step = i; ; step += 3) {
      const at = `${folder.path}/cut-${sequence}-${step}`;
      await cp(original, at, { recursive: true });
      const isDone = cutUntil(at, sequence, step);
      truncateFolder(realFiles, at, sequence, 'rest');
      const cut = await Store.open({ folder: at, isReplica: true, ...SMALL });
      assert.deepEqual(cut.recovery, []);
      assert.equal(cut.log.lastSequence, sequence, `cut after ${sequence}, step ${step}`);
      assert.deepEqual(await contentOf(cut), states.get(sequence));
      await cut.close();
      if (isDone) break;
    }
  }
  assert.ok(readdirSync(folder.path).length > cuts.length);
});

test('log cut inside of a frame keeps the frames before it', async () => {
  await using folder = await tempFolder('cut');
  const store = await Store.open({ folder: folder.path, ...SMALL });
  const before = await contentOf(store);
  const { lastSequence } = store.log;
  await fill(store, 1);
  await store.close();
  // The first frame of fill() holds one record, the next one three.
  const { records, lastSequence: left } = truncateFolder(
    realFiles,
    folder.path,
    lastSequence + 2,
    'r',
  );
  assert.deepEqual([records, left], [18, lastSequence + 1]);
  truncateFolder(realFiles, folder.path, lastSequence, 'r');
  const cut = await Store.open({ folder: folder.path, isReplica: true, ...SMALL });
  assert.deepEqual(await contentOf(cut), before);
  await cut.close();
});

/** Frames of one record and of several; nothing that compaction would touch. */
async function fill(store: Store, round: number): Promise<void> {
  const value = Buffer.alloc(12_000, round);
  for (let i = 0; i < 20; i++) {
    const key = Buffer.from(`key ${round} ${i}`);
    const record = Buffer.concat([key, value]);
    const { default: namespace } = store.namespaces;
    store.set(namespace, record, 0, key.length, key.length, value.length, store.nowSeconds());
    if (i % 3 === 0) await store.log.flush();
  }
  await store.log.flush();
}

/** Cuts with files that fail from some call on, as if the process had died there. */
function cutUntil(folder: string, sequence: number, calls: number): boolean {
  let left = calls;
  const died = new Error('the process has died');
  const changing = new Set(['writeSync', 'renameSync', 'unlinkSync', 'ftruncateSync', 'openSync']);
  const files = new Proxy(realFiles, {
    get(target, name: keyof typeof realFiles) {
      if (!changing.has(name)) return target[name];
      return (...args: unknown[]) => {
        if (left-- <= 0) throw died;
        return Reflect.apply(target[name], target, args);
      };
    },
  });
  try {
    truncateFolder(files, folder, sequence, 'first');
    return true;
  } catch (error) {
    if (error !== died) throw error;
    return false;
  }
}

test('records that were written together become one frame although old ones must be read', async () => {
  await using folder = await tempFolder('feed');
  const master = await Store.open({ folder: `${folder.path}/a`, ...SMALL });
  const groups: { first: number; last: number }[] = [];
  const { default: namespace } = master.namespaces;
  master.putSettings({ ...namespace.settings, history: { keep: 'all', limit: 0 } });
  // Former versions this large are read through the pool: each of them is a pause inside of a frame.
  for (let round = 0; round < 20; round++) {
    // Some groups are larger than a segment.
    const size = round % 4 === 3 ? 400_000 : 20_000;
    master.log.keepTogether(5 * (size + 64), 5);
    const first = master.log.lastSequence + 1;
    for (let i = 0; i < 5; i++) {
      const key = Buffer.from(`key ${i}`);
      const all = Buffer.concat([key, Buffer.alloc(size, round)]);
      const time = master.nowSeconds();
      await master.retrying(() => master.set(namespace, all, 0, 5, 5, size, time));
    }
    groups.push({ first, last: master.log.lastSequence });
    await master.log.flush();
  }
  const replica = await openReplica(`${folder.path}/b`, master.table.logId);
  let isOver = false;
  const busy = (async () => {
    while (!isOver) {
      replica.store.log.turn();
      await new Promise((resolve) => setImmediate(resolve));
    }
  })();
  await follow(new LogFeed(master, 0), master, replica);
  isOver = true;
  await busy;
  await replica.store.log.flush();
  const frames: { first: number; last: number }[] = [];
  const feed = new LogFeed(replica.store, 0);
  for (let batch = await feed.next(); batch !== undefined; batch = await feed.next()) {
    const { logId } = replica.store.table;
    for (let at = 0; at < batch.bytes.length;) {
      const place = { logId, segmentId: batch.segmentId, offset: batch.offset + at };
      const header = soundFrameAt(batch.bytes, at, place);
      assert.ok(header !== undefined);
      frames.push({ first: header.firstSequence, last: header.lastSequence });
      at += 64 + header.payloadBytes;
    }
  }
  assert.ok(frames.length > 1);
  for (const group of groups) {
    const isWhole = frames.some((one) => one.first <= group.first && one.last >= group.last);
    assert.ok(isWhole, `records ${group.first} to ${group.last}`);
  }
  await replica.store.close();
  await master.close();
});
