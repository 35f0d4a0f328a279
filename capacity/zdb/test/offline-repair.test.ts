import assert from 'node:assert/strict';
import { cp, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import { isGridError } from '@commongrid/base';
import { eraseKey } from '../src/engine/upkeep/erasure.ts';
import {
  FRAME_HEADER_BYTES,
  packLengths,
  packOwner,
  RECORD_HEADER_BYTES,
  recordChecksum,
  RecordKind,
} from '../src/engine/log/format.ts';
import { Store } from '../src/engine/store.ts';
import { exportFolder } from '../src/offline/export-folder.ts';
import { repairFolder } from '../src/offline/repair-folder.ts';
import type { RepairReport } from '../src/offline/repair-folder.ts';
import { verifyFolder } from '../src/offline/verify-folder.ts';
import { restoreNextIds } from '../src/server/sequential.ts';
import {
  fillSample,
  fingerprint,
  flipByte,
  get,
  openTicking,
  put,
  remove,
  TestFolder,
} from './support/sample-folder.ts';

const FIRST = 'segment-000000000001';

test('repair of a sound folder changes nothing', async () => {
  await using place = await TestFolder.make();
  await fillSample(place.at('a'));
  const before = await fingerprint(place.at('a'));
  const report = await repairFolder(place.at('a'));
  assert.deepEqual(report.actions, []);
  assert.deepEqual(await fingerprint(place.at('a')), before);
});

for (const [what, damage] of Object.entries({
  'a lost manifest': (folder: string) => rm(`${folder}/manifest`),
  'a damaged manifest': (folder: string) => flipByte(`${folder}/manifest`, 100),
  'a lost index file': (folder: string) => rm(`${folder}/${FIRST}.index`),
  'a damaged index file': (folder: string) => flipByte(`${folder}/${FIRST}.index`, 300),
  'a damaged checkpoint': (folder: string) => flipByte(`${folder}/checkpoint-1`, 100),
  'a damaged segment header': (folder: string) => flipByte(`${folder}/${FIRST}.log`, 20),
  'a damaged frame header': (folder: string) => flipByte(`${folder}/${FIRST}.log`, 80),
  'a lost manifest and a damaged segment header': async (folder: string) => {
    await rm(`${folder}/manifest`);
    await flipByte(`${folder}/${FIRST}.log`, 20);
  },
  'a lost manifest, a lost index file and a damaged frame header': async (folder: string) => {
    await rm(`${folder}/manifest`);
    await rm(`${folder}/${FIRST}.index`);
    await flipByte(`${folder}/${FIRST}.log`, 80);
  },
})) {
  test(`${what} is repaired without a loss`, async () => {
    await using place = await TestFolder.make();
    await fillSample(place.at('a'));
    const whole = await dumpOf(place, 'a');
    await damage(place.at('a'));
    assert.equal((await verifyFolder(place.at('a'))).isDamaged, true);
    const report = await repairFolder(place.at('a'));
    assert.ok(report.actions.length > 0);
    assert.deepEqual(report.losses, []);
    assert.deepEqual(await damageOf(place.at('a')), []);
    assert.ok(whole.equals(await dumpOf(place, 'a')), 'the content is another');
    await goesOn(place.at('a'));
  });
}

test('a damaged value costs its record alone, and only when that is accepted', async () => {
  await using place = await TestFolder.make();
  await fillSample(place.at('a'));
  const file = place.at('a', `${FIRST}.log`);
  const bytes = await readFile(file);
  const at = bytes.indexOf('version 2 ');
  await flipByte(file, at + 50);
  const before = await fingerprint(place.at('a'));
  const refused = await refusal(repairFolder(place.at('a')), 'ZDB_REPAIR_LOSS');
  assert.equal(refused.hint, `grid zdb repair --data ${place.at('a')} --accept-loss`);
  const loss = {
    file,
    offset: at - 38,
    bytes: 100_040,
    what: 'value',
    fromSequence: 17,
    toSequence: 17,
    namespace: 'files',
    key: 'file-2',
  };
  assert.deepEqual(refused.details['losses'], [loss]);
  assert.deepEqual(await fingerprint(place.at('a')), before);
  const { losses, actions } = await repairFolder(place.at('a'), { acceptLoss: true });
  assert.deepEqual(losses, [loss]);
  const [moved = ''] = (await readdir(place.at('a'))).filter((name) =>
    name.startsWith('quarantine-'),
  );
  assert.match(actions[0] ?? '', new RegExp(`copied to .*${moved}$`));
  assert.deepEqual(await damageOf(place.at('a')), []);
  const store = await Store.open({ folder: place.at('a') });
  assert.match((await get(store, 'files', 'file-2')) ?? '', /^version 22 /);
  assert.equal(await store.recordAt(17), undefined);
  assert.equal((await store.recordAt(16))?.sequence, 16);
  await store.close();
  await goesOn(place.at('a'));
});

test('records of a damaged frame are kept one by one without an index file too', async () => {
  await using place = await TestFolder.make();
  const folder = place.at('a');
  const store = await openTicking(folder);
  const { default: own } = store.namespaces;
  for (let i = 0; i < 20; i++) await put(store, own, `k${i}`, `value ${i}`.padEnd(99, '.'));
  await store.log.flush();
  await store.close();
  const file = `${folder}/${FIRST}.log`;
  await flipByte(file, (await readFile(file)).indexOf('value 7.'));
  const refused = await refusal(repairFolder(folder), 'ZDB_REPAIR_LOSS');
  assert.deepEqual(refused.details['count'], 1);
  const { losses } = await repairFolder(folder, { acceptLoss: true });
  assert.deepEqual(
    losses.map(({ what }) => what),
    ['records'],
  );
  assert.deepEqual(await damageOf(folder), []);
  const repaired = await Store.open({ folder });
  for (let i = 0; i < 20; i++) {
    const wanted = i === 7 ? undefined : `value ${i}`.padEnd(99, '.');
    assert.equal(await get(repaired, 'default', `k${i}`), wanted, `k${i}`);
  }
  await repaired.close();
});

test('a key whose deletion is lost does not come back', async () => {
  await using place = await TestFolder.make();
  const folder = place.at('a');
  const store = await openTicking(folder);
  const { default: own } = store.namespaces;
  await put(store, own, 'secret-key', 'old value');
  await put(store, own, 'changed-key', 'old value');
  await remove(store, own, 'secret-key');
  await put(store, own, 'changed-key', 'new value');
  await fillUp(store, own.settings.name);
  await store.close();
  const file = `${folder}/${FIRST}.log`;
  const bytes = await readFile(file);
  const second = bytes.indexOf('secret-key', bytes.indexOf('secret-key') + 1);
  // Its time, before the key: the key still tells which it was.
  await flipByte(file, second - 20);
  await flipByte(file, bytes.indexOf('new value'));
  const { actions, losses } = await repairFolder(folder, { acceptLoss: true });
  assert.deepEqual(
    losses.map(({ what, key }) => ({ what, key })),
    [
      { what: 'deletion', key: 'secret-key' },
      { what: 'value', key: 'changed-key' },
    ],
  );
  assert.ok(actions.includes('secret-key of default was deleted again'), String(actions));
  assert.ok(actions.includes('changed-key of default has its former value again, record 3'));
  const repaired = await Store.open({ folder });
  assert.equal(await get(repaired, 'default', 'secret-key'), undefined);
  assert.equal(await get(repaired, 'default', 'changed-key'), 'old value');
  await repaired.close();
});

test('a missing segment is given up only when that is accepted', async () => {
  await using place = await TestFolder.make();
  await fillSample(place.at('a'));
  await rm(place.at('a', 'segment-000000000002.log'));
  const refused = await refusal(repairFolder(place.at('a')), 'ZDB_REPAIR_LOSS');
  const losses = refused.details['losses'] as { namespace: string; records: number }[];
  assert.deepEqual(losses.map(({ namespace }) => namespace).sort(), [
    '(number 4)',
    'default',
    'files',
    'log',
  ]);
  assert.ok(losses.every(({ records }) => records > 0));
  await assert.rejects(Store.open({ folder: place.at('a') }), { code: 'ZDB_SEGMENT_MISSING' });
  await repairFolder(place.at('a'), { acceptLoss: true });
  assert.deepEqual(await damageOf(place.at('a')), []);
  await goesOn(place.at('a'));
});

test('an end that was cut off is given up only when that is accepted', async () => {
  await using place = await TestFolder.make();
  await fillSample(place.at('a'));
  const logs = (await readdir(place.at('a'))).filter((name) => name.endsWith('.log')).sort();
  const last = place.at('a', logs.at(-1) ?? '');
  const { lastSequence } = await verifyFolder(place.at('a'));
  await truncate(last, (await stat(last)).size - 5);
  await refusal(repairFolder(place.at('a')), 'ZDB_REPAIR_LOSS');
  const { losses } = await repairFolder(place.at('a'), { acceptLoss: true });
  assert.deepEqual(
    losses.map(({ fromSequence, toSequence }) => [fromSequence, toSequence]),
    [[lastSequence, lastSequence]],
  );
  assert.deepEqual(await damageOf(place.at('a')), []);
  const store = await Store.open({ folder: place.at('a') });
  assert.ok(store.log.lastSequence >= lastSequence, 'a sequence is given out twice');
  await store.close();
  await goesOn(place.at('a'));
});

test('a torn end is moved aside without asking', async () => {
  await using place = await TestFolder.make();
  await fillSample(place.at('a'));
  const whole = await dumpOf(place, 'a');
  const logs = (await readdir(place.at('a'))).filter((name) => name.endsWith('.log')).sort();
  await writeFile(place.at('a', logs.at(-1) ?? ''), 'half a frame', { flag: 'a' });
  const { actions, losses } = await repairFolder(place.at('a'));
  assert.deepEqual(losses, []);
  assert.match(actions.join(), /12 bytes after offset \d+ .* were never acknowledged/);
  assert.ok(whole.equals(await dumpOf(place, 'a')));
});

test('a namespace whose settings are lost keeps its records, under a new name', async () => {
  await using place = await TestFolder.make();
  const folder = place.at('a');
  const store = await openTicking(folder);
  await put(store, store.createNamespace('precious', 'user'), 'key', 'kept');
  await fillUp(store, 'default');
  await store.close();
  const file = `${folder}/${FIRST}.log`;
  await flipByte(file, (await readFile(file)).indexOf('"name":"precious"'));
  const { actions } = await repairFolder(folder, { acceptLoss: true });
  assert.match(actions.join(), /1 keys without settings are in namespace recovered-2/);
  const repaired = await Store.open({ folder });
  assert.equal(await get(repaired, 'recovered-2', 'key'), 'kept');
  const { isLocked, isPublic, password } = repaired.namespaces.get('recovered-2')?.settings ?? {};
  assert.deepEqual([isLocked, isPublic, password?.length], [true, false, 32]);
  await repaired.close();
  assert.deepEqual((await repairFolder(folder)).actions, []);
});

test('ids of a sequential namespace are not given out twice after the manifest was lost', async () => {
  await using place = await TestFolder.make();
  const folder = place.at('a');
  const store = await openTicking(folder);
  const log = store.createNamespace('log', 'seq');
  for (let i = 0; i < 10; i++) {
    const id = Buffer.alloc(8);
    id.writeUInt32LE(log.nextId++);
    await put(store, log, id, 'line');
  }
  for (let i = 5; i < 10; i++) {
    const id = Buffer.alloc(8);
    id.writeUInt32LE(i);
    await store.retrying(() => store.delete(log, id, 0, 8, store.nowSeconds()));
  }
  await fillUp(store, 'default');
  await store.maintenance.compactAll();
  await store.close();
  await rm(`${folder}/manifest`);
  await repairFolder(folder, { acceptLoss: true });
  const repaired = await Store.open({ folder });
  await restoreNextIds(repaired);
  assert.ok((repaired.namespaces.get('log')?.nextId ?? 0) >= 10);
  await repaired.close();
});

test('segments of another log, or of a newer format, are not mixed in', async () => {
  await using place = await TestFolder.make();
  await fillSample(place.at('a'));
  await fillSample(place.at('b'));
  await rm(place.at('a', 'manifest'));
  await cp(place.at('b', `${FIRST}.log`), place.at('a', 'segment-000000000077.log'));
  await refusal(repairFolder(place.at('a'), { acceptLoss: true }), 'ZDB_REPAIR_UNDECIDED');
  await rm(place.at('a', 'segment-000000000077.log'));
  const manifest = await readFile(place.at('b', 'manifest'), 'utf8');
  await writeFile(place.at('b', 'manifest'), manifest.replace('manifest 1 ', 'manifest 2 '));
  await refusal(repairFolder(place.at('b')), 'ZDB_FORMAT_NEWER');
});

for (const isFinished of [true, false]) {
  const state = isFinished ? 'finished' : 'cut off';
  test(`a key stays erased when the erasure was ${state} and the manifest is lost`, async () => {
    await using place = await TestFolder.make();
    await eraseAndRepair(place, isFinished);
  });
}

async function eraseAndRepair(place: TestFolder, isFinished: boolean): Promise<void> {
  const folder = place.at('a');
  const store = await openTicking(folder);
  const { default: own } = store.namespaces;
  await put(store, own, 'person', 'private matter');
  await fillUp(store, 'default');
  await store.maintenance.checkpoint();
  await store.log.flush();
  await cp(folder, place.at('old'), { recursive: true });
  const before = await readdir(folder);
  await eraseKey(store, own, Buffer.from('person'));
  await store.close();
  const made = (await readdir(folder)).filter((name) => !before.includes(name));
  await cp(place.at('old', `${FIRST}.log`), `${folder}/${FIRST}.log`);
  await rm(`${folder}/manifest`);
  if (!isFinished) for (const name of made) await truncate(`${folder}/${name}`, 0);
  await repairFolder(folder, { acceptLoss: true });
  assert.deepEqual(await damageOf(folder), []);
  for (const name of await readdir(folder)) {
    assert.ok(!(await readFile(`${folder}/${name}`)).includes('private matter'), name);
  }
}

/** Enough for the segment to be sealed. */
async function fillUp(store: Store, name: string): Promise<void> {
  const namespace = store.namespaces.get(name);
  if (namespace === undefined) throw new Error(`no namespace ${name}`);
  for (let i = 0; i < 13; i++) await put(store, namespace, `filler-${i}`, 'f'.repeat(100_000));
  await store.log.flush();
}

/** A repaired store takes writes, and still has them after the next start. */
async function goesOn(folder: string): Promise<void> {
  const store = await Store.open({ folder });
  assert.equal(store.readOnlyReason, undefined);
  await put(store, store.namespaces.default, 'written after', 'the repair');
  await store.maintenance.compactAll();
  await store.close();
  const again = await Store.open({ folder });
  assert.equal(await get(again, 'default', 'written after'), 'the repair');
  await again.close();
  assert.deepEqual(await damageOf(folder), []);
}

async function damageOf(folder: string): Promise<string[]> {
  const { findings } = await verifyFolder(folder);
  return findings.filter(({ isDamage }) => isDamage).map(({ text }) => text);
}

async function dumpOf(place: TestFolder, name: string): Promise<Buffer> {
  await rm(place.at('dump'), { force: true });
  await exportFolder(place.at(name), place.at('dump'));
  return readFile(place.at('dump'));
}

async function refusal(
  work: Promise<RepairReport>,
  code: string,
): Promise<{ hint: string | undefined; details: Readonly<Record<string, unknown>> }> {
  try {
    await work;
  } catch (error) {
    if (isGridError(error) && error.code === code) return error;
    throw error;
  }
  throw new Error(`${code} was expected`);
}

test('bytes in a value that look like a record are never taken for one', async () => {
  await using place = await TestFolder.make();
  const folder = place.at('a');
  const store = await openTicking(folder);
  const { default: own } = store.namespaces;
  const offset = (store.table.last?.nextOffset ?? 0) + FRAME_HEADER_BYTES;
  // A key of eight bytes: the value begins at a multiple of eight, like a record.
  const at = offset + RECORD_HEADER_BYTES + 8;
  const forged = Buffer.alloc(48);
  forged.writeUInt32LE(packLengths(5, 6), 4);
  forged.writeUInt32LE(packOwner(own.id, RecordKind.set), 8);
  forged.writeUInt32LE(3, 16);
  forged.write('adminforged', RECORD_HEADER_BYTES);
  forged.writeUInt32LE(recordChecksum(forged, 0, 5, 6, 1, at), 0);
  await put(store, own, 'eight-by', forged);
  await put(store, own, 'next', 'value');
  await store.log.flush();
  await store.close();
  // Its own record is damaged, before the value.
  await flipByte(`${folder}/${FIRST}.log`, offset + 12);
  await repairFolder(folder, { acceptLoss: true });
  const repaired = await Store.open({ folder });
  assert.equal(await get(repaired, 'default', 'admin'), undefined);
  assert.equal(await get(repaired, 'default', 'next'), 'value');
  await repaired.close();
});
