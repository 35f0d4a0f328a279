import assert from 'node:assert/strict';
import { appendFile, cp, readdir, readFile, rm, stat, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { FolderLock, seededRandom } from '@commongrid/base';
import { Store } from '../src/engine/store.ts';
import { exportFolder } from '../src/offline/export-folder.ts';
import { verifyFolder } from '../src/offline/verify-folder.ts';
import type { VerifyReport } from '../src/offline/verify-folder.ts';
import {
  fillSample,
  fingerprint,
  flipByte,
  get,
  put,
  TestFolder,
} from './support/sample-folder.ts';

const FIRST = 'segment-000000000001';

test('a sound folder is found sound, and not changed', async () => {
  await using place = await TestFolder.make();
  await fillSample(place.at('a'));
  const before = await fingerprint(place.at('a'));
  const progress: number[] = [];
  const report = await verifyFolder(place.at('a'), {
    onProgress: ({ doneBytes, totalBytes }) => progress.push(doneBytes / totalBytes),
  });
  assert.deepEqual(report.findings, []);
  assert.equal(report.isDamaged, false);
  assert.equal(report.namespaces, 3);
  assert.ok(report.segments >= 3 && report.bytes > 3_000_000);
  const store = await Store.open({ folder: place.at('a'), isReadOnly: true });
  assert.equal(report.lastSequence, store.log.lastSequence);
  assert.equal(report.records, store.log.lastSequence);
  await store.close();
  assert.equal(progress.at(-1), 1);
  assert.deepEqual(await fingerprint(place.at('a')), before);
});

test('a changed byte is found, in whatever file it stands', async () => {
  await using place = await TestFolder.make();
  await fillSample(place.at('a'));
  await exportFolder(place.at('a'), place.at('whole'));
  const whole = await readFile(place.at('whole'));
  const random = seededRandom(7);
  for (const name of await readdir(place.at('a'))) {
    if (name === 'LOCK') continue;
    const { size } = await stat(place.at('a', name));
    for (let round = 0; round < 2; round++) {
      await rm(place.at('b'), { recursive: true, force: true });
      await cp(place.at('a'), place.at('b'), { recursive: true });
      // The first bytes are headers, most of the rest are values.
      const offset = random.int(0, round < 1 ? Math.min(size, 200) : size);
      await flipByte(place.at('b', name), offset);
      const before = await fingerprint(place.at('b'));
      const report = await verifyFolder(place.at('b'));
      assert.deepEqual(await fingerprint(place.at('b')), before);
      if (report.isDamaged) {
        assert.ok(report.findings.every(({ hint }) => hint?.startsWith('grid zdb repair --data ')));
        continue;
      }
      // Zeros that fill a record up to eight bytes carry nothing and have no checksum.
      await rm(place.at('now'), { force: true });
      await exportFolder(place.at('b'), place.at('now'));
      assert.ok(whole.equals(await readFile(place.at('now'))), `${name} at ${offset}`);
    }
  }
});

test('a damaged record is named with sequence, namespace and key', async () => {
  await using place = await TestFolder.make();
  await fillSample(place.at('a'));
  const file = place.at('a', `${FIRST}.log`);
  const offset = (await readFile(file)).indexOf('version 2 ');
  await flipByte(file, offset + 50);
  const { findings } = await verifyFolder(place.at('a'));
  assert.equal(findings.length, 1);
  const { text: _text, ...finding } = findings[0] ?? { text: '' };
  assert.deepEqual(finding, {
    file,
    offset: offset - 32 - 'file-2'.length,
    bytes: 100_040,
    what: 'bad-record',
    isDamage: true,
    sequence: 17,
    namespace: 'files',
    key: 'file-2',
    hint: `grid zdb repair --data ${place.at('a')}`,
  });
});

test('a missing file is found, whatever it is', async () => {
  await using place = await TestFolder.make();
  await fillSample(place.at('a'));
  const [checkpoint = ''] = (await readdir(place.at('a'))).filter((name) =>
    name.startsWith('checkpoint'),
  );
  const wanted = {
    manifest: 'manifest-missing',
    [`${FIRST}.log`]: 'segment-missing',
    [`${FIRST}.index`]: 'index-missing',
    [checkpoint]: 'checkpoint-damaged',
  };
  for (const [name, what] of Object.entries(wanted)) {
    await rm(place.at('b'), { recursive: true, force: true });
    await cp(place.at('a'), place.at('b'), { recursive: true });
    await rm(place.at('b', name));
    assert.deepEqual(kinds(await verifyFolder(place.at('b'))), [what], name);
  }
});

test('a file that was cut is found', async () => {
  await using place = await TestFolder.make();
  await fillSample(place.at('a'));
  const names = (await readdir(place.at('a'))).filter((name) => name !== 'LOCK');
  for (const name of names) {
    for (const cut of [1, 5000]) {
      await rm(place.at('b'), { recursive: true, force: true });
      await cp(place.at('a'), place.at('b'), { recursive: true });
      const { size } = await stat(place.at('b', name));
      await truncate(place.at('b', name), Math.max(0, size - cut));
      assert.ok((await verifyFolder(place.at('b'))).isDamaged, `${name} cut by ${cut}`);
    }
  }
});

test('what a crash leaves at the end is noted, and is no damage', async () => {
  await using place = await TestFolder.make();
  await fillSample(place.at('a'));
  const logs = (await readdir(place.at('a'))).filter((name) => name.endsWith('.log')).sort();
  await appendFile(place.at('a', logs.at(-1) ?? ''), 'half a frame');
  await appendFile(place.at('a', 'segment-000000000999.log'), 'nobody names it');
  const report = await verifyFolder(place.at('a'));
  assert.deepEqual(kinds(report), ['torn-tail', 'left-over']);
  assert.equal(report.isDamaged, false);
});

test('a checkpoint that says something else than the log is found', async () => {
  await using place = await TestFolder.make();
  const folder = place.at('a');
  const store = await Store.open({ folder });
  const { default: own } = store.namespaces;
  for (let i = 0; i < 100; i++) await put(store, own, `k${i}`, 'v'.repeat(40));
  await store.log.flush();
  // A lost update of the index in memory.
  const key = Buffer.from('k50');
  store.lookup(own, key, 0, key.length);
  own.index.remove();
  await store.maintenance.checkpoint();
  await store.close();
  const report = await verifyFolder(folder);
  assert.deepEqual(kinds(report), ['checkpoint-different']);
  const opened = await Store.open({ folder });
  assert.equal(await get(opened, 'default', 'k50'), undefined);
  await opened.close();
});

test('a folder in use, or that is none, is refused', async () => {
  await using place = await TestFolder.make();
  await fillSample(place.at('a'));
  await using _lock = await FolderLock.open(place.at('a'));
  await assert.rejects(verifyFolder(place.at('a')), { code: 'BASE_FOLDER_LOCKED' });
  await assert.rejects(verifyFolder(join(place.path, 'none')), { code: 'ZDB_FOLDER_MISSING' });
});

function kinds({ findings }: VerifyReport): string[] {
  return findings.map(({ what }) => what);
}
