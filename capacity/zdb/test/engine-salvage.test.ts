import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { tempFolder } from '@commongrid/base/testing';
import { verifyFolder } from '../src/index.ts';
import { recordBytes } from '../src/engine/log/format.ts';
import type { Store } from '../src/engine/store.ts';
import { untilFetched } from '../src/testing/index.ts';
import { FOLDER, openStore } from './support/engine-crash.ts';

const RECORDS = 5;
const key = (frame: number, i: number): string => `key-${frame}-${i}`;
const value = (frame: number, i: number): string => `value ${frame} ${i}`;

interface Frame {
  readonly offset: number;
  /** Where each of its records begins. */
  readonly records: readonly number[];
  readonly segmentPath: string;
}

/** Writes records that become one frame. */
async function writeFrame(store: Store, frame: number): Promise<Frame> {
  const { default: namespace } = store.namespaces;
  const offset = store.table.last?.nextOffset ?? 0;
  const records: number[] = [];
  for (let i = 0; i < RECORDS; i++) {
    const bytes = Buffer.from(key(frame, i) + value(frame, i));
    const { length } = key(frame, i);
    const now = store.nowSeconds();
    const done = store.set(namespace, bytes, 0, length, length, bytes.length - length, now);
    assert.equal(done, 'written');
    const bytesOfOne = recordBytes(length, bytes.length - length);
    records.push((store.table.last?.nextOffset ?? 0) - bytesOfOne);
  }
  await store.log.flush();
  return { offset, records, segmentPath: store.table.last?.path ?? '' };
}

/** Three frames in the segment that is written; `isClosed`: left by a clean stop, else by a crash. */
async function makeFolder(temp: string, isClosed: boolean): Promise<Frame[]> {
  const live = path.join(temp, 'live');
  const store = await openStore(live);
  const frames = [];
  for (let frame = 0; frame < 3; frame++) frames.push(await writeFrame(store, frame));
  if (isClosed) await store.close();
  fs.cpSync(live, path.join(temp, 'kept'), { recursive: true });
  if (!isClosed) await store.close();
  return frames;
}

/** Keys that a damaged copy shows, and what it says. */
async function openDamaged(temp: string, file: string, at: number) {
  const copy = path.join(temp, 'copy');
  fs.rmSync(copy, { recursive: true, force: true });
  fs.cpSync(path.join(temp, 'kept'), copy, { recursive: true });
  const damaged = path.join(copy, FOLDER, path.basename(file));
  const bytes = fs.readFileSync(damaged);
  bytes[at] = (bytes[at] ?? 0) ^ 1;
  fs.writeFileSync(damaged, bytes);
  const store = await openStore(copy);
  const { default: namespace } = store.namespaces;
  const missing: string[] = [];
  for (let frame = 0; frame < 3; frame++) {
    for (let i = 0; i < RECORDS; i++) {
      const source = Buffer.from(key(frame, i));
      const found = await untilFetched(store, () => {
        return store.lookup(namespace, source, 0, source.length);
      });
      if (found !== 'live') missing.push(key(frame, i));
      else assert.equal(store.value().toString(), value(frame, i));
    }
  }
  const { readOnlyReason, recovery } = store;
  await store.close();
  assert.deepEqual(fs.readFileSync(damaged), bytes, 'evidence was changed');
  return { missing, readOnlyReason, recovery, copy };
}

for (const isClosed of [false, true]) {
  const after = isClosed ? 'a clean stop' : 'a crash';
  test(`store serves the neighbours of a damaged record that had been on disk after ${after}`, async () => {
    await using temp = await tempFolder('salvage');
    const frames = await makeFolder(temp.path, isClosed);
    for (const [frame, { offset, records, segmentPath }] of frames.entries()) {
      // What a crash left of the last commit counts whole or not at all.
      if (frame === 2 && !isClosed) continue;
      for (let i = 0; i < RECORDS; i++) {
        for (const inRecord of [0, 5, 17, 40]) {
          const at = (records[i] ?? 0) + inRecord;
          const seen = await openDamaged(temp.path, segmentPath, at);
          const what = `byte ${inRecord} of record ${i} of frame ${frame}`;
          // Damaged lengths hide what follows in the frame: nothing tells where it begins.
          const hidden = inRecord === 5 ? RECORDS - i : 1;
          const expected = Array.from({ length: hidden }, (_, n) => key(frame, i + n));
          assert.deepEqual(seen.missing, expected, what);
          assert.equal(seen.readOnlyReason, '1 damaged stretch(es) in quarantine', what);
          assert.deepEqual(
            seen.recovery.map((event) => [event.kind, event.offset]),
            [['corrupt', offset]],
            what,
          );
        }
      }
      // The header of the frame.
      const seen = await openDamaged(temp.path, segmentPath, offset + 9);
      assert.deepEqual(seen.missing, []);
      assert.ok(seen.readOnlyReason !== undefined);
      const { findings } = await verifyFolder(path.join(seen.copy, FOLDER));
      assert.ok(findings.length > 0);
    }
  });
}

test('store takes nothing of a damaged frame that was never acknowledged', async () => {
  await using temp = await tempFolder('salvage');
  const frames = await makeFolder(temp.path, false);
  const { segmentPath, records } = frames[2] as Frame;
  const copy = path.join(temp.path, 'kept', FOLDER, path.basename(segmentPath));
  const bytes = fs.readFileSync(copy);
  const at = (records[2] ?? 0) + 40;
  bytes[at] = (bytes[at] ?? 0) ^ 1;
  fs.writeFileSync(copy, bytes);
  const store = await openStore(path.join(temp.path, 'kept'));
  assert.equal(store.readOnlyReason, undefined);
  const { items } = await store.scan(store.namespaces.default);
  assert.equal(items.length, 2 * RECORDS);
  await store.close();
});
