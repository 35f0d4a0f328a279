import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { type GridError, isGridError, seededRandom } from '@commongrid/base';
import { tempFolder } from '@commongrid/base/testing';
import {
  decodeFrameHeader,
  FRAME_HEADER_BYTES,
  recordBytes,
  recordSequenceAt,
} from '../src/engine/log/format.ts';
import type { RecoveryEvent } from '../src/engine/start/recovery.ts';
import { Store } from '../src/engine/store.ts';
import { differences, type Journal, StoreLoad, untilFetched } from '../src/testing/index.ts';
import { FOLDER, openStore, testSeed } from './support/engine-crash.ts';

const SEGMENT = path.join(FOLDER, 'segment-000000000001.log');
const RECORDS = 6;
const key = (i: number): string => `key-${i}`;
const value = (i: number): Buffer => Buffer.from(`value ${i}`);

interface Frame {
  readonly offset: number;
  readonly bytes: number;
  readonly recordEnd: number;
}

/** A folder with one record in each frame; `isClosed`: left by a clean stop, else by a crash. */
async function smallFolder(root: string, isClosed: boolean): Promise<Frame[]> {
  const live = path.join(root, 'live');
  fs.mkdirSync(live);
  const store = await openStore(live);
  const load = new StoreLoad({ store, random: seededRandom(1) });
  const frames: Frame[] = [];
  for (let i = 0; i < RECORDS; i++) {
    const offset = store.table.last?.nextOffset ?? 0;
    await load.put(store.namespaces.default, key(i), value(i));
    store.log.turn();
    const length = key(i).length + value(i).length;
    const recordEnd = offset + FRAME_HEADER_BYTES + 32 + length;
    const bytes = FRAME_HEADER_BYTES + recordBytes(key(i).length, value(i).length);
    frames.push({ offset, bytes, recordEnd });
    // Each its own commit, also when the machine is busy and syncs in the pool.
    await store.log.flush();
  }
  if (isClosed) await store.close();
  fs.cpSync(live, path.join(root, 'kept'), { recursive: true });
  if (!isClosed) await store.close();
  fs.rmSync(live, { recursive: true });
  const file = fs.readFileSync(path.join(root, 'kept', SEGMENT));
  for (const { offset } of frames) {
    const header = decodeFrameHeader(file, offset, store.table.logId, 1, offset);
    assert.equal(header?.recordCount, 1);
  }
  return frames;
}

interface Outcome {
  readonly events: readonly RecoveryEvent[];
  readonly readOnly: string | undefined;
  readonly present: boolean[];
}

/** Opens a damaged copy of the folder and says what is there. */
async function openDamaged(root: string, damage: (folder: string) => void): Promise<Outcome> {
  const copy = path.join(root, 'copy');
  fs.cpSync(path.join(root, 'kept'), copy, { recursive: true });
  damage(copy);
  const store = await openStore(copy);
  const present: boolean[] = [];
  for (let i = 0; i < RECORDS; i++) {
    const source = Buffer.from(key(i));
    const found = await store.retrying(() =>
      store.lookup(store.namespaces.default, source, 0, source.length),
    );
    if (found === 'live') assert.deepEqual(store.value(), value(i));
    present.push(found === 'live');
  }
  const outcome = { events: store.recovery, readOnly: store.readOnlyReason, present };
  const before = fs.readFileSync(path.join(copy, SEGMENT));
  await store.close();
  if (store.readOnlyReason !== undefined) {
    assert.deepEqual(fs.readFileSync(path.join(copy, SEGMENT)), before, 'evidence was changed');
  }
  fs.rmSync(copy, { recursive: true });
  return outcome;
}

function edit(file: string, change: (bytes: Buffer) => Buffer): void {
  fs.writeFileSync(file, change(fs.readFileSync(file)));
}

function flip(file: string, at: number, bit = 0): void {
  edit(file, (bytes) => {
    bytes[at] = (bytes[at] as number) ^ (1 << bit);
    return bytes;
  });
}

const upTo = (count: number): boolean[] =>
  Array.from({ length: RECORDS }, (_unused, i) => i < count);
const without = (missing: number): boolean[] =>
  Array.from({ length: RECORDS }, (_unused, i) => i !== missing);

for (const isClosed of [false, true]) {
  const after = isClosed ? 'a clean stop' : 'a crash';

  test(`store finds every flipped byte of its last three records after ${after}`, async () => {
    await using temp = await tempFolder('bit-rot');
    const frames = await smallFolder(temp.path, isClosed);
    for (let i = RECORDS - 3; i < RECORDS; i++) {
      const { offset, bytes, recordEnd } = frames[i] as Frame;
      for (let at = offset; at < offset + bytes; at++) {
        const what = `byte ${at - offset} of record ${i}`;
        const outcome = await openDamaged(temp.path, (folder) => {
          flip(path.join(folder, SEGMENT), at, at % 8);
        });
        if (at >= recordEnd) {
          // Zeros that fill up to a multiple of 8: they mean nothing.
          assert.deepEqual(outcome, { events: [], readOnly: undefined, present: upTo(RECORDS) });
          continue;
        }
        const isTorn = i === RECORDS - 1 && !isClosed;
        // The header of the frame alone takes no record away that had been on disk.
        const isHeader = at < offset + FRAME_HEADER_BYTES && !isTorn;
        assert.deepEqual(outcome.present, isHeader ? upTo(RECORDS) : without(i), what);
        assert.ok(outcome.events.length > 0, what);
        for (const event of outcome.events) {
          assert.equal(event.kind, isTorn ? 'torn' : 'corrupt', what);
          assert.equal(event.offset, offset, what);
          assert.ok(event.path.endsWith(SEGMENT), what);
        }
        assert.equal(outcome.readOnly !== undefined, !isTorn, what);
      }
    }
  });

  test(`store cut at any byte of its last three records starts with what is whole after ${after}`, async () => {
    await using temp = await tempFolder('bit-rot');
    const frames = await smallFolder(temp.path, isClosed);
    for (let i = RECORDS - 3; i < RECORDS; i++) {
      const { offset, bytes } = frames[i] as Frame;
      for (let end = offset; end < offset + bytes; end++) {
        const what = `${end - offset} bytes of record ${i}`;
        const outcome = await openDamaged(temp.path, (folder) => {
          edit(path.join(folder, SEGMENT), (all) => all.subarray(0, end));
        });
        // Zeros at the very end may be missing from a record that is whole otherwise.
        assert.deepEqual(outcome.present, upTo(i), what);
        if (isClosed) {
          assert.ok(
            outcome.events.some((one) => one.kind === 'corrupt'),
            what,
          );
          assert.notEqual(outcome.readOnly, undefined, what);
        } else {
          // Nothing on disk tells that there was more.
          assert.equal(outcome.events.length, end === offset ? 0 : 1, what);
          assert.equal(outcome.readOnly, undefined, what);
        }
      }
    }
  });
}

test('store keeps a torn tail beside the log', async () => {
  await using temp = await tempFolder('bit-rot');
  const frames = await smallFolder(temp.path, false);
  const { offset, bytes } = frames[RECORDS - 1] as Frame;
  const kept = path.join(temp.path, 'kept');
  flip(path.join(kept, SEGMENT), offset + 70);
  const damaged = fs.readFileSync(path.join(kept, SEGMENT));
  const store = await openStore(kept);
  await store.close();
  const torn = path.join(kept, FOLDER, `torn-1-${offset}`);
  assert.deepEqual(fs.readFileSync(torn), damaged.subarray(offset, offset + bytes));
});

test('store opened to look only changes nothing in a damaged folder', async () => {
  await using temp = await tempFolder('bit-rot');
  const frames = await smallFolder(temp.path, false);
  const folder = path.join(temp.path, 'kept', FOLDER);
  // Two bad stretches of one commit that never came to disk whole.
  const { offset, bytes } = frames[RECORDS - 1] as Frame;
  flip(path.join(temp.path, 'kept', SEGMENT), offset + 70);
  edit(path.join(temp.path, 'kept', SEGMENT), (all) =>
    Buffer.concat([all, Buffer.alloc(bytes, 7)]),
  );
  const before = listing(folder);
  const store = await openStore(path.join(temp.path, 'kept'), { isReadOnly: true });
  assert.deepEqual(
    store.recovery.map((one) => one.kind),
    ['torn'],
  );
  assert.equal(store.readOnlyReason, 'opened read-only');
  await store.close();
  assert.deepEqual(listing(folder), before);
});

test('store whose first record is damaged opens read-only and writes nothing', async () => {
  await using temp = await tempFolder('bit-rot');
  await smallFolder(temp.path, false);
  const folder = path.join(temp.path, 'kept', FOLDER);
  flip(path.join(temp.path, 'kept', SEGMENT), 64 + 70);
  const before = fs.readFileSync(path.join(temp.path, 'kept', SEGMENT));
  const store = await openStore(path.join(temp.path, 'kept'));
  assert.notEqual(store.readOnlyReason, undefined);
  assert.ok(store.namespaces.default !== undefined);
  await store.close();
  assert.deepEqual(fs.readFileSync(path.join(folder, path.basename(SEGMENT))), before);
});

function listing(folder: string): [string, string][] {
  return fs
    .readdirSync(folder)
    .sort()
    .map((name) => [name, fs.readFileSync(path.join(folder, name)).toString('base64')]);
}

// Sealed segments, their indexes, the manifest, the checkpoint.

interface LargeFolder {
  readonly kept: string;
  readonly journal: Journal;
  readonly sealed: string[];
}

/** A folder with several sealed segments and a checkpoint, left by a clean stop. */
async function largeFolder(root: string): Promise<LargeFolder> {
  const kept = path.join(root, 'kept');
  fs.mkdirSync(kept);
  const store = await openStore(kept);
  const random = seededRandom(testSeed());
  const load = new StoreLoad({ store, random });
  load.begin();
  // No key twice: nothing is there for compaction to win, the segments stay.
  for (let i = 0; i < 90; i++) {
    for (const namespace of store.namespaces.list()) {
      await load.put(namespace, key(i), Buffer.from(random.bytes(random.int(0, 4000))));
    }
    store.log.turn();
    if (i % 30 === 29) store.log.rotate();
  }
  await store.log.flush();
  await store.maintenance.checkpoint();
  const sealed = store.table.segments.filter((one) => one.isSealed).map((one) => one.path);
  await store.close();
  assert.ok(sealed.length >= 2);
  return { kept, journal: load.journal, sealed: sealed.map((one) => path.relative(kept, one)) };
}

async function expectWhole(root: string, journal: Journal): Promise<void> {
  const store = await openStore(root);
  const faults = await differences(store, journal.stateAt(journal.lastSequence), journal);
  const { readOnlyReason } = store;
  await store.close();
  assert.deepEqual(faults, []);
  assert.equal(readOnlyReason, undefined);
}

async function expectRefused(root: string, codes: string[]): Promise<GridError> {
  const outcome = await openStore(root).then(
    async (store) => {
      await store.close();
      return undefined;
    },
    (error: unknown) => error,
  );
  assert.ok(isGridError(outcome), `it opened, or failed with ${String(outcome)}`);
  assert.ok(codes.includes(outcome.code), `${outcome.code}: ${outcome.message}`);
  return outcome;
}

/** Calls `check` with a copy of the folder, once for each damage. */
async function eachCopy(
  root: string,
  damages: readonly ((copy: string) => void)[],
  check: (copy: string) => Promise<void>,
): Promise<void> {
  for (const damage of damages) {
    const copy = path.join(root, 'copy');
    fs.cpSync(path.join(root, 'kept'), copy, { recursive: true });
    damage(copy);
    await check(copy);
    fs.rmSync(copy, { recursive: true });
  }
}

test('store refuses a folder whose manifest has a flipped bit, or is cut', async () => {
  await using temp = await tempFolder('bit-rot');
  const { kept } = await largeFolder(temp.path);
  const manifest = path.join(FOLDER, 'manifest');
  const { length } = fs.readFileSync(path.join(kept, manifest));
  const damages: ((copy: string) => void)[] = [];
  for (let at = 0; at < length; at++) {
    damages.push((copy) => flip(path.join(copy, manifest), at, at % 8));
    if (at % 7 === 0) {
      damages.push((copy) => edit(path.join(copy, manifest), (all) => all.subarray(0, at)));
    }
  }
  for (let bit = 0; bit < 8; bit++) {
    damages.push((copy) => flip(path.join(copy, manifest), 'commongrid-zdb-manifest '.length, bit));
  }
  await eachCopy(temp.path, damages, async (copy) => {
    const error = await expectRefused(copy, ['ZDB_MANIFEST_CORRUPT', 'ZDB_FORMAT_NEWER']);
    assert.match(error.message, /manifest/);
  });
});

test('store refuses a folder with a missing, foreign, swapped or cut file', async () => {
  await using temp = await tempFolder('bit-rot');
  const { sealed } = await largeFolder(temp.path);
  const [first, second] = sealed as [string, string];
  const refusals: [string, (copy: string) => void][] = [
    ['ZDB_MANIFEST_MISSING', (copy) => fs.rmSync(path.join(copy, FOLDER, 'manifest'))],
    ['ZDB_SEGMENT_MISSING', (copy) => fs.rmSync(path.join(copy, first))],
    [
      'ZDB_SEGMENT_CORRUPT',
      (copy) => {
        fs.renameSync(path.join(copy, first), path.join(copy, 'other'));
        fs.renameSync(path.join(copy, second), path.join(copy, first));
        fs.renameSync(path.join(copy, 'other'), path.join(copy, second));
      },
    ],
    ['ZDB_SEGMENT_CORRUPT', (copy) => flip(path.join(copy, first), 30)],
    [
      'ZDB_SEGMENT_CORRUPT',
      (copy) => edit(path.join(copy, second), (all) => all.subarray(0, all.length - 1)),
    ],
    ['ZDB_SEGMENT_CORRUPT', (copy) => edit(path.join(copy, second), () => Buffer.alloc(0))],
  ];
  for (const [code, damage] of refusals) {
    await eachCopy(temp.path, [damage], async (copy) => {
      const error = await expectRefused(copy, [code]);
      assert.ok(error.hint !== undefined);
    });
  }
});

test('store does without a checkpoint or segment index that is damaged, cut or gone', async () => {
  await using temp = await tempFolder('bit-rot');
  const { kept, journal } = await largeFolder(temp.path);
  const random = seededRandom(testSeed());
  const helpers = fs
    .readdirSync(path.join(kept, FOLDER))
    .filter((name) => name.startsWith('checkpoint-') || name.endsWith('.index'));
  assert.ok(helpers.length >= 3);
  const damages = helpers.flatMap((name) => {
    const file = path.join(FOLDER, name);
    const { size } = fs.statSync(path.join(kept, file));
    const withoutCheckpoint = (copy: string): void => {
      // Else nobody looks at the indexes.
      if (name.startsWith('checkpoint-')) return;
      for (const one of fs.readdirSync(path.join(copy, FOLDER))) {
        if (one.startsWith('checkpoint-')) fs.rmSync(path.join(copy, FOLDER, one));
      }
    };
    return [
      (copy: string) => fs.rmSync(path.join(copy, file)),
      (copy: string) => edit(path.join(copy, file), (all) => all.subarray(0, random.int(0, size))),
      ...Array.from({ length: 12 }, () => (copy: string) => {
        flip(path.join(copy, file), random.int(0, size), random.int(0, 8));
      }),
    ].map((damage) => (copy: string) => {
      withoutCheckpoint(copy);
      damage(copy);
    });
  });
  await eachCopy(temp.path, damages, (copy) => expectWhole(copy, journal));
});

test('store reports a flipped bit in a sealed segment when the record is read', async () => {
  await using temp = await tempFolder('bit-rot');
  const { kept, journal } = await largeFolder(temp.path);
  const state = journal.stateAt(journal.lastSequence);
  const store = await openStore(kept);
  let found = 0;
  for (const [name, content] of state) {
    for (const [text, expected] of content) {
      const namespace = store.namespaces.get(name);
      assert.ok(namespace !== undefined);
      const source = Buffer.from(text, 'latin1');
      store.hasher.hash(source, 0, source.length);
      const { index } = namespace;
      assert.ok(index.first(store.hasher.low, store.hasher.high, source.length));
      const segment = store.table.at(index.segment);
      const end = index.offset + 32 + source.length + expected.length;
      flip(segment.path, end - 1, 3);
      await assert.rejects(
        async () => {
          await untilFetched(store, () => store.lookup(namespace, source, 0, source.length));
        },
        { code: 'ZDB_READ_FAILED' },
        `${name}/${text}`,
      );
      flip(segment.path, end - 1, 3);
      found++;
    }
  }
  assert.ok(found > 20);
  await store.close();
});

test('store says so when a sealed segment is damaged and its index is gone too', async () => {
  await using temp = await tempFolder('bit-rot');
  const { sealed } = await largeFolder(temp.path);
  const [first] = sealed as [string];
  const damage = (copy: string): void => {
    for (const name of fs.readdirSync(path.join(copy, FOLDER))) {
      if (name.startsWith('checkpoint-')) fs.rmSync(path.join(copy, FOLDER, name));
    }
    fs.rmSync(path.join(copy, first.replace('.log', '.index')));
    flip(path.join(copy, first), 64 + 70);
  };
  await eachCopy(temp.path, [damage], async (copy) => {
    const store = await openStore(copy);
    const { recovery, readOnlyReason } = store;
    await store.close();
    const event = recovery.find((one) => one.kind === 'corrupt');
    assert.equal(event?.offset, 64);
    assert.ok(event?.path.endsWith(first));
    assert.notEqual(readOnlyReason, undefined);
  });
});

test('store loses no other key when a damaged record is overwritten', async () => {
  await using temp = await tempFolder('bit-rot');
  const root = path.join(temp.path, 'live');
  fs.mkdirSync(root);
  const store = await openStore(root);
  const load = new StoreLoad({ store, random: seededRandom(1) });
  const { default: namespace } = store.namespaces;
  const large = Buffer.alloc(40_000, 1);
  await load.put(namespace, 'large', large);
  const damaged = store.log.lastSequence;
  await load.put(namespace, 'other', Buffer.from('value'));
  // Seals the segment: a start does not read it again.
  await store.maintenance.compactAll();
  await store.close();
  // The damage makes the record claim the sequence of the one behind it.
  const again = await openStore(root);
  const found = await again.locator.find(damaged);
  assert.ok(found?.segment.isSealed === true && (damaged & 1) === 0);
  flip(found.segment.path, found.entry.offset + recordSequenceAt, 0);
  const journal = load.journal;
  const second = new StoreLoad({ store: again, random: seededRandom(1), journal });
  await second.put(again.namespaces.default, 'large', Buffer.from('new'));
  await again.close();
  await expectWhole(root, second.journal);
});

test('scan and history survive a page of a segment index that rots while it is open', async () => {
  await using temp = await tempFolder('index-rot');
  const store = await Store.open({ folder: temp.path, segmentBytes: 1024 * 1024 });
  const namespace = store.namespaces.default;
  const bytes = Buffer.alloc(8 + 1000, 'v');
  for (let i = 0; i < 3000; i++) {
    bytes.write(String(i).padStart(8, '0'));
    assert.equal(store.set(namespace, bytes, 0, 8, 8, 1000, 1), 'written');
    if (i % 100 === 0) store.log.turn();
  }
  await store.log.flush();
  await store.maintenance.checkpoint();
  const sealed = store.table.segments.find((segment) => segment.isSealed);
  assert.ok(sealed !== undefined, 'a segment was sealed');
  const fd = fs.openSync(sealed.indexPath, 'r+');
  // An offset in the third page of entries.
  fs.writeSync(fd, Buffer.from([0xff]), 0, 1, 64 + 300 * 32 + 4);
  fs.closeSync(fd);
  const page = await store.scan(namespace);
  assert.equal(page.items.length, 3000);
  const record = await store.recordAt(sealed.firstSequence + 300);
  assert.equal(record?.sequence, sealed.firstSequence + 300);
  await store.close();
});
