import assert from 'node:assert/strict';
import { cp, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { Store } from '../src/engine/store.ts';
import { exportFolder } from '../src/offline/export-folder.ts';
import { importFolder } from '../src/offline/import-folder.ts';
import { repairFolder } from '../src/offline/repair-folder.ts';
import { verifyFolder } from '../src/offline/verify-folder.ts';
import { restoreNextIds } from '../src/server/sequential.ts';
import { put, TestFolder } from './support/sample-folder.ts';

const fixtures = join(import.meta.dirname, 'fixtures');

interface Version {
  readonly sequence: number;
  readonly time: number;
  /** Undefined: a deletion. */
  readonly value: string | undefined;
}

/** All that the folder v1 holds, newest version first: namespace -> key as latin1 -> versions. */
const content: Readonly<Record<string, Readonly<Record<string, readonly Version[]>>>> = {
  default: {
    greeting: [{ sequence: 3, time: 1_800_000_120, value: 'good morning' }],
    empty: [{ sequence: 4, time: 1_800_000_180, value: '' }],
    '\u0000\u00ff\n\r': [{ sequence: 5, time: 1_800_000_240, value: '\u0000\u0001\u0002\u00ff' }],
    ['k'.repeat(255)]: [{ sequence: 6, time: 1_800_000_300, value: 'v'.repeat(10_000) }],
    'short-lived': [],
    sealed: [
      { sequence: 31, time: 1_800_001_380, value: undefined },
      { sequence: 28, time: 1_800_001_200, value: 'not compacted' },
    ],
    open: [{ sequence: 30, time: 1_800_001_320, value: 'after the checkpoint' }],
  },
  archive: {
    report: [
      { sequence: 29, time: 1_800_001_260, value: 'version five' },
      { sequence: 16, time: 1_800_000_720, value: 'version four' },
      { sequence: 15, time: 1_800_000_660, value: undefined },
      { sequence: 14, time: 1_800_000_600, value: 'version three' },
      { sequence: 13, time: 1_800_000_540, value: 'version two' },
      { sequence: 12, time: 1_800_000_480, value: 'version one' },
    ],
    withdrawn: [
      { sequence: 18, time: 1_800_000_840, value: undefined },
      { sequence: 17, time: 1_800_000_780, value: 'for a while' },
    ],
  },
  lines: {
    '\u0000\u0000\u0000\u0000\u0000\u0000\u0000\u0000': [
      { sequence: 21, time: 1_800_000_900, value: 'first' },
    ],
    '\u0001\u0000\u0000\u0000\u0000\u0000\u0000\u0000': [
      { sequence: 22, time: 1_800_000_960, value: 'second' },
    ],
    '\u0002\u0000\u0000\u0000\u0000\u0000\u0000\u0000': [
      { sequence: 23, time: 1_800_001_020, value: 'third' },
    ],
  },
};

async function copyOfV1(place: TestFolder): Promise<string> {
  const folder = place.at('v1');
  await cp(join(fixtures, 'v1'), folder, { recursive: true });
  return folder;
}

async function versionsOf(store: Store, name: string, key: string): Promise<Version[]> {
  const namespace = store.namespaces.get(name);
  assert.ok(namespace !== undefined, name);
  const source = Buffer.from(key, 'latin1');
  const found = await store.retrying(() => store.lookup(namespace, source, 0, source.length));
  const versions: Version[] = [];
  let record = found === 'absent' ? undefined : await store.recordAt(store.reader.sequence);
  while (record !== undefined) {
    const { sequence, timeSeconds: time, previous, isDeletion } = record;
    const value = isDeletion ? undefined : record.value.toString('latin1');
    versions.push({ sequence, time, value });
    record = previous === 0 ? undefined : await store.recordAt(previous);
  }
  return versions;
}

async function checkContent(store: Store): Promise<void> {
  const names = store.namespaces.list().map(({ settings }) => settings.name);
  assert.deepEqual(names, Object.keys(content));
  for (const [name, keys] of Object.entries(content)) {
    for (const [key, versions] of Object.entries(keys)) {
      assert.deepEqual(await versionsOf(store, name, key), versions, `${name}/${key}`);
    }
    const live = Object.values(keys).filter(([newest]) => newest?.value !== undefined);
    assert.equal(store.namespaces.get(name)?.index.liveCount, live.length, name);
  }
}

test('a folder of format version 1 is sound and holds what it held', async () => {
  await using place = await TestFolder.make();
  const folder = await copyOfV1(place);
  const report = await verifyFolder(folder);
  assert.deepEqual(report.findings, []);
  assert.deepEqual([report.segments, report.records, report.lastSequence], [3, 23, 31]);
  const store = await Store.open({ folder });
  await restoreNextIds(store);
  assert.deepEqual(store.recovery, []);
  await checkContent(store);
  assert.equal(store.log.lastSequence, 31);
  assert.equal(store.namespaces.get('lines')?.nextId, 3);
  assert.deepEqual(store.namespaces.get('archive')?.settings, {
    ...{ id: 2, name: 'archive', password: 'open sesame', mode: 'user', epoch: 3 },
    ...{ isPublic: false, isWorm: true, isLocked: false, isFrozen: false },
    ...{ maxBytes: 16_777_216, history: { keep: 'all', limit: 0 }, createdMs: 1_800_000_420_000 },
  });
  await put(store, store.namespaces.default, 'written', 'today');
  await store.log.flush();
  assert.equal(store.log.lastSequence, 32);
  await store.close();
  assert.equal((await verifyFolder(folder)).isDamaged, false);
});

test('a folder of version 1 gives the same content without its checkpoint and indexes', async () => {
  await using place = await TestFolder.make();
  const folder = await copyOfV1(place);
  for (const name of ['checkpoint-1', 'segment-000000000002.index', 'segment-000000000003.index']) {
    await writeFile(join(folder, name), '');
  }
  const store = await Store.open({ folder });
  await checkContent(store);
  await store.close();
});

test('a folder of version 1 without its manifest is repaired to the same content', async () => {
  await using place = await TestFolder.make();
  const folder = await copyOfV1(place);
  await writeFile(join(folder, 'manifest'), 'nonsense');
  await repairFolder(folder);
  const store = await Store.open({ folder });
  await checkContent(store);
  await store.close();
});

test('a dump of version 1 is imported to the same content, and exported the same', async () => {
  await using place = await TestFolder.make();
  const dump = join(fixtures, 'v1.dump');
  await importFolder(dump, place.at('imported'));
  const store = await Store.open({ folder: place.at('imported') });
  await checkContent(store);
  await store.close();
  await exportFolder(await copyOfV1(place), place.at('dump'));
  assert.equal(await readFile(place.at('dump'), 'utf8'), await readFile(dump, 'utf8'));
});

test('a folder of version 2 is refused with its version, and not touched', async () => {
  await using place = await TestFolder.make();
  const folder = await copyOfV1(place);
  const file = join(folder, 'manifest');
  const newer = (await readFile(file, 'utf8')).replace('zdb-manifest 1 ', 'zdb-manifest 2 ');
  await writeFile(file, newer);
  const refused = { code: 'ZDB_FORMAT_NEWER', message: /format version 2;.*up to 1$/ };
  await assert.rejects(Store.open({ folder }), refused);
  await assert.rejects(verifyFolder(folder), refused);
  await assert.rejects(repairFolder(folder, { acceptLoss: true }), refused);
  await assert.rejects(exportFolder(folder, place.at('dump')), refused);
  assert.equal(await readFile(file, 'utf8'), newer);
});
