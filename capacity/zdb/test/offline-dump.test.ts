import assert from 'node:assert/strict';
import { appendFile, copyFile, readdir, readFile, writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import { Store } from '../src/engine/store.ts';
import { exportFolder } from '../src/offline/export-folder.ts';
import { importFolder } from '../src/offline/import-folder.ts';
import { restoreNextIds } from '../src/server/sequential.ts';
import { fillSample, get, openTicking, put, TestFolder } from './support/sample-folder.ts';

test('a dump imported into a new folder is exported the same again', async () => {
  await using place = await TestFolder.make();
  await fillSample(place.at('a'));
  const exported = await exportFolder(place.at('a'), place.at('a.dump'));
  assert.deepEqual(exported.namespaces, ['default', 'files', 'log']);
  const imported = await importFolder(place.at('a.dump'), place.at('b'));
  assert.deepEqual(imported, {
    namespaces: ['default', 'files', 'log'],
    records: exported.records,
    isNewFolder: true,
  });
  await exportFolder(place.at('b'), place.at('b.dump'));
  assert.ok((await readFile(place.at('a.dump'))).equals(await readFile(place.at('b.dump'))));
});

test('an import into a new folder keeps values, settings, times, history and ids', async () => {
  await using place = await TestFolder.make();
  await fillSample(place.at('a'));
  await exportFolder(place.at('a'), place.at('dump'));
  await importFolder(place.at('dump'), place.at('b'));
  const store = await Store.open({ folder: place.at('b') });
  await restoreNextIds(store);
  assert.equal(await get(store, 'default', 'key-5'), 'value 5');
  assert.equal(await get(store, 'default', 'key-2'), undefined);
  assert.equal(await get(store, 'files', 'file-3'), undefined);
  assert.equal((await get(store, 'files', 'file-4'))?.trimEnd().slice(0, 10), 'version 24');
  assert.equal(store.namespaces.get('gone'), undefined);
  const files = store.namespaces.get('files');
  assert.equal(files?.settings.password, 'secret');
  assert.equal(store.namespaces.get('log')?.nextId, 30);
  const key = Buffer.from('file-3');
  assert.equal(store.lookup(files, key, 0, key.length), 'deleted');
  let version = await store.recordAt(store.reader.sequence);
  const seen: string[] = [];
  while (version !== undefined) {
    seen.push(version.value.toString('utf8', 0, 10).trim());
    version = version.previous === 0 ? undefined : await store.recordAt(version.previous);
  }
  assert.deepEqual(seen, ['', 'version 23', 'version 13', 'version 3']);
  await store.close();
});

test('an import adds namespaces to a store, behind what it has', async () => {
  await using place = await TestFolder.make();
  await fillSample(place.at('a'));
  await exportFolder(place.at('a'), place.at('dump'));
  const other = await openTicking(place.at('b'));
  await put(other, other.namespaces.default, 'own', 'kept');
  await put(other, other.createNamespace('own', 'user'), 'k', 'v');
  await other.close();
  const renames = new Map([['default', 'imported']]);
  const { isNewFolder, namespaces } = await importFolder(place.at('dump'), place.at('b'), {
    renames,
  });
  assert.equal(isNewFolder, false);
  assert.deepEqual(namespaces, ['imported', 'files', 'log']);
  const store = await Store.open({ folder: place.at('b') });
  assert.equal(await get(store, 'default', 'own'), 'kept');
  assert.equal(await get(store, 'own', 'k'), 'v');
  assert.equal(await get(store, 'imported', 'key-29'), 'value 29');
  assert.equal(await get(store, 'imported', 'key-2'), undefined);
  assert.equal(await get(store, 'files', 'file-3'), undefined);
  const fresh = store.createNamespace('fresh', 'user');
  assert.equal(fresh.index.liveCount, 0);
  await put(store, fresh, 'k', 'v');
  await store.maintenance.compactAll();
  await store.close();
  await importFolder(place.at('dump'), place.at('c'));
  const [b, c] = [place.at('b.dump'), place.at('c.dump')];
  await exportFolder(place.at('b'), b, { namespace: 'files', history: false });
  await exportFolder(place.at('c'), c, { namespace: 'files', history: false });
  assert.deepEqual(await valueLines(b), await valueLines(c));
  assert.equal((await valueLines(b)).length, 10);
});

test('an import is refused where a namespace of that name is', async () => {
  await using place = await TestFolder.make();
  await fillSample(place.at('a'));
  await exportFolder(place.at('a'), place.at('dump'), { namespace: 'log' });
  await assert.rejects(importFolder(place.at('dump'), place.at('a')), {
    code: 'ZDB_IMPORT_EXISTS',
    hint: 'give it another name: --rename log=NEW',
  });
});

test('an export of the newest values leaves history out', async () => {
  await using place = await TestFolder.make();
  await fillSample(place.at('a'));
  const { records } = await exportFolder(place.at('a'), place.at('dump'), {
    namespace: 'files',
    history: false,
  });
  assert.equal(records, 10);
  await importFolder(place.at('dump'), place.at('b'));
  const again = await exportFolder(place.at('b'), place.at('b.dump'), {
    namespace: 'files',
    history: false,
  });
  assert.equal(again.records, 10);
  assert.ok((await readFile(place.at('dump'))).equals(await readFile(place.at('b.dump'))));
});

test('a dump that was cut or changed is refused and leaves nothing behind', async () => {
  await using place = await TestFolder.make();
  await fillSample(place.at('a'));
  await exportFolder(place.at('a'), place.at('dump'), { namespace: 'log' });
  const bytes = await readFile(place.at('dump'));
  const lines = bytes.toString().trimEnd().split('\n');
  const damaged: [string, Buffer | string][] = [
    ['cut in a line', bytes.subarray(0, bytes.length - 30)],
    ['cut between lines', `${lines.slice(0, -1).join('\n')}\n`],
    ['a line missing', `${lines.toSpliced(5, 1).join('\n')}\n`],
    ['lines exchanged', `${lines.toSpliced(5, 2, ...lines.slice(5, 7).reverse()).join('\n')}\n`],
    ['a byte changed', bytes.toString().replace('"time":17', '"time":18')],
    ['more behind the end', `${bytes.toString()}${lines[1] ?? ''}\n`],
  ];
  for (const [what, content] of damaged) {
    await writeFile(place.at('bad'), content);
    await assert.rejects(
      importFolder(place.at('bad'), place.at('b')),
      { code: 'ZDB_DUMP_CORRUPT' },
      what,
    );
  }
  assert.deepEqual((await readdir(place.path)).sort(), ['a', 'bad', 'dump']);
});

test('a dump of a newer version is refused with the version', async () => {
  await using place = await TestFolder.make();
  const text = '{"dump":"commongrid-zdb","version":2,"history":true';
  const { crc32 } = await import('node:zlib');
  await writeFile(
    place.at('dump'),
    `${text},"crc":"${crc32(text).toString(16).padStart(8, '0')}"}\n`,
  );
  await assert.rejects(importFolder(place.at('dump'), place.at('b')), {
    code: 'ZDB_DUMP_NEWER',
    details: { version: 2 },
  });
});

test('an import that failed half-way leaves a store as it was', async () => {
  await using place = await TestFolder.make();
  await fillSample(place.at('a'));
  await exportFolder(place.at('a'), place.at('dump'));
  const other = await openTicking(place.at('b'));
  await put(other, other.namespaces.default, 'own', 'kept');
  await other.close();
  const lines = (await readFile(place.at('dump'), 'utf8')).split('\n');
  await writeFile(place.at('bad'), `${lines.slice(0, -3).join('\n')}\n`);
  const renames = new Map([['default', 'imported']]);
  await assert.rejects(importFolder(place.at('bad'), place.at('b'), { renames }), {
    code: 'ZDB_DUMP_CORRUPT',
  });
  const store = await Store.open({ folder: place.at('b') });
  assert.deepEqual(
    store.namespaces.list().map(({ settings }) => settings.name),
    ['default'],
  );
  assert.equal(await get(store, 'default', 'own'), 'kept');
  const next = store.createNamespace('next', 'user');
  assert.equal(next.index.liveCount + next.index.deletedCount, 0);
  await store.close();
  const reopened = await Store.open({ folder: place.at('b') });
  assert.equal(reopened.namespaces.get('next')?.index.liveCount, 0);
  await reopened.close();
});

test('an export is refused over a file, of an unknown namespace, and from no folder', async () => {
  await using place = await TestFolder.make();
  await fillSample(place.at('a'));
  await copyFile('/dev/null', place.at('dump'));
  await appendFile(place.at('dump'), 'mine');
  await assert.rejects(exportFolder(place.at('a'), place.at('dump')), {
    code: 'ZDB_TARGET_EXISTS',
  });
  assert.equal(await readFile(place.at('dump'), 'utf8'), 'mine');
  await assert.rejects(exportFolder(place.at('a'), place.at('new'), { namespace: 'nope' }), {
    code: 'ZDB_NAMESPACE_UNKNOWN',
    hint: 'there are: default, files, log',
  });
  await assert.rejects(exportFolder(place.at('none'), place.at('new')), {
    code: 'ZDB_FOLDER_MISSING',
  });
  assert.deepEqual((await readdir(place.path)).sort(), ['a', 'dump']);
});

test('a folder in use is refused with the process that uses it', async () => {
  await using place = await TestFolder.make();
  await fillSample(place.at('a'));
  const { FolderLock } = await import('@commongrid/base');
  await using _lock = await FolderLock.open(place.at('a'));
  await assert.rejects(exportFolder(place.at('a'), place.at('dump')), (error: unknown) => {
    assert.match(String(error), new RegExp(`in use by process ${process.pid} `));
    return true;
  });
});

test('a job that is stopped leaves nothing behind', async () => {
  await using place = await TestFolder.make();
  await fillSample(place.at('a'));
  const stop = new AbortController();
  const work = exportFolder(place.at('a'), place.at('dump'), {
    signal: stop.signal,
    onProgress: ({ doneBytes, totalBytes }) => {
      assert.ok(doneBytes <= totalBytes);
      stop.abort();
    },
  });
  await assert.rejects(work, { code: 'BASE_ABORTED' });
  assert.deepEqual(await readdir(place.path), ['a']);
});

async function valueLines(dump: string): Promise<string[]> {
  return (await readFile(dump, 'utf8')).match(/"time":.*"value":"[^"]*"/g) ?? [];
}
