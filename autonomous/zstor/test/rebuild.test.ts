import assert from 'node:assert/strict';
import { open, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { systemClock, systemRandom } from '@commongrid/base';
import { tempFolder } from '@commongrid/base/testing';
import { readBackendsFile } from '../src/backends/backends-file.ts';
import { markerKey } from '../src/backends/backend-identity.ts';
import { BlobStore } from '../src/blob-store.ts';
import { foundLog } from '../src/catalog/found-log.ts';
import type { TlogMember } from '../src/catalog/tlog-member.ts';
import { logNamesOf, openMemberOf } from '../src/stor/log-place.ts';
import { readStoreKeys } from '../src/stor/stor-keys.ts';
import { storSchema } from '../src/stor/file-tables.ts';
import { acceptRebuild } from '../src/rebuild/rebuild-tables.ts';
import { findUnfinished, noteUnfinished } from '../src/rebuild/unfinished-rebuild.ts';
import { Stor } from '../src/stor.ts';
import type { StorOptions } from '../src/stor.ts';
import { ZdbFleet } from '../src/testing/zdb-fleet.ts';
import { fourPlusTwo, mebibyte, randomBytesOf } from './support/cluster.ts';
import { SmallFiles } from './support/small-files.ts';

const large = randomBytesOf(9 * mebibyte + 5, 'large');
const later = randomBytesOf(5 * mebibyte + 7, 'later');
const small = randomBytesOf(40_000, 'small');

async function bytesOf(stor: Stor, name: string): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const bytes of stor.get(name)) parts.push(Buffer.from(bytes));
  return Buffer.concat(parts);
}

test('tables that are deleted come back: exactly with the log, and whole without it', async () => {
  await using fleet = await ZdbFleet.open(7);
  const backendsFile = await fleet.makeStore('a');
  const folder = join(fleet.folder, 'head');
  const options: StorOptions = { folder, backendsFile, policy: fourPlusTwo, canBegin: true };
  {
    await using stor = await Stor.open(options);
    await stor.put('large', [large]);
    await stor.put('replaced', [small]);
    await stor.put('removed', [small]);
    await stor.takeSnapshot();
    await stor.put('later', [later]);
    await stor.put('later, small', [small]);
    await stor.put('replaced', [later]);
    await stor.put('empty', []);
    await stor.remove('removed');
  }
  const names = ['empty', 'large', 'later', 'later, small', 'replaced'];

  const exact = await Stor.rebuild(options);
  assert.equal(exact.from, 'log');
  assert.ok(exact.setAside !== undefined);
  {
    await using stor = await Stor.open(options);
    assert.deepEqual(
      stor.list().map(({ name }) => name),
      names,
    );
    assert.equal(stor.isRebuilt, false);
  }

  await rm(join(folder, 'catalog'), { recursive: true });
  await fleet.emptyNamespace('a-log');
  await fleet.kill(2, 5);
  await assert.rejects(Stor.rebuild(options), { code: 'ZSTOR_CATALOG_MEMBER_FAILED' });
  const report = await Stor.rebuild({ ...options, withoutLog: true });
  assert.equal(report.from, 'snapshot');
  assert.equal(report.unreadableChunks, 0);
  {
    await using stor = await Stor.open(options);
    // What was removed after the snapshot may be back; nothing else is, and nothing is missing.
    const found = stor.list().map(({ name }) => name);
    assert.deepEqual(
      found.filter((name) => name !== 'removed'),
      names,
    );
    const contents = {
      large,
      later,
      'later, small': small,
      replaced: later,
      empty: Buffer.alloc(0),
    };
    for (const [name, bytes] of Object.entries(contents)) {
      assert.equal((await bytesOf(stor, name)).equals(bytes), true, name);
    }
    assert.equal(stor.isRebuilt, true);
    await stor.acceptRebuild();
    assert.equal(stor.isRebuilt, false);
    await stor.put('after', [small]);
  }
  await using stor = await Stor.open({
    ...options,
    folder: join(fleet.folder, 'other'),
    keyFile: join(folder, 'key'),
  });
  assert.equal((await bytesOf(stor, 'after')).equals(small), true);
});

test('a store without any snapshot comes back out of its manifests', async () => {
  await using fleet = await ZdbFleet.open(6);
  const backendsFile = await fleet.makeStore('b');
  const folder = join(fleet.folder, 'head');
  const options: StorOptions = { folder, backendsFile, policy: fourPlusTwo, canBegin: true };
  {
    await using stor = await Stor.open(options);
    await stor.put('large', [large]);
    await stor.put('small', [small]);
    await stor.put('another', [small]);
  }
  {
    // The copies of small objects go once they are packed.
    await using blobs = await BlobStore.open({ ...options, schema: storSchema });
    assert.equal((await blobs.collection.runNow()).packed, 2);
  }
  await rm(join(folder, 'catalog'), { recursive: true });
  await fleet.emptyNamespace('b-log');
  const report = await Stor.rebuild(options);
  assert.deepEqual(
    [report.from, report.restoredVersions, report.damagedManifests, report.unreadableChunks],
    ['manifests', 3, 0, 0],
  );
  await using stor = await Stor.open(options);
  for (const [name, bytes] of Object.entries({ large, small, another: small })) {
    assert.equal((await bytesOf(stor, name)).equals(bytes), true, name);
  }
});

test('a rebuild that ends on its way goes on, and nobody serves before', async () => {
  await using fleet = await ZdbFleet.open(6);
  const backendsFile = await fleet.makeStore('c');
  const folder = join(fleet.folder, 'head');
  const options: StorOptions = { folder, backendsFile, policy: fourPlusTwo, canBegin: true };
  {
    await using stor = await Stor.open(options);
    await stor.put('large', [large]);
    await stor.takeSnapshot();
    await stor.put('later', [later]);
    await stor.put('small', [small]);
  }
  await rm(join(folder, 'catalog'), { recursive: true });
  await fleet.emptyNamespace('c-log');
  const killed = (): never => {
    throw new Error('killed');
  };
  const onProgress = (step: string): void => {
    if (step === 'locating chunks') killed();
  };
  // When there is a log and nothing says yet that it lacks anything; and when manifests are applied.
  for (const fault of [{ clock: { ...systemClock, nowMs: killed } }, { onProgress }]) {
    await assert.rejects(Stor.rebuild({ ...options, ...fault }), /killed/);
    await assert.rejects(Stor.open(options), { code: 'ZSTOR_REBUILD_UNFINISHED' });
  }
  const report = await Stor.rebuild(options);
  assert.deepEqual([report.from, report.unreadableChunks], ['snapshot', 0]);
  {
    await using stor = await Stor.open(options);
    assert.equal(stor.isRebuilt, true);
    await stor.acceptRebuild();
  }
  {
    await using blobs = await BlobStore.open({ ...options, schema: storSchema });
    await blobs.collection.runNow();
  }
  await using stor = await Stor.open(options);
  for (const [name, bytes] of Object.entries({ large, later, small })) {
    assert.equal((await bytesOf(stor, name)).equals(bytes), true, name);
  }
});

test('a rebuild that ends while it begins a log goes on', async () => {
  await using fleet = await ZdbFleet.open(6);
  const backendsFile = await fleet.makeStore('half');
  const folder = join(fleet.folder, 'head');
  const options: StorOptions = { folder, backendsFile, policy: fourPlusTwo, canBegin: true };
  {
    await using stor = await Stor.open(options);
    await stor.put('large', [large]);
  }
  await fleet.emptyNamespace('half-log');
  await rm(join(folder, 'catalog'), { recursive: true });
  const specs = await readBackendsFile(backendsFile);
  const members = logNamesOf(specs).slice(0, 5);
  const { metadataKey } = await readStoreKeys(join(folder, 'key'));
  const memberOf = openMemberOf(() => specs);
  // What it had written when it ended: the note, and two of five members.
  await noteUnfinished(folder, { members });
  const openMember = (name: string): TlogMember => {
    const member = memberOf(name);
    const killed = (): Promise<void> => Promise.reject(new Error('killed'));
    return members.indexOf(name) < 2 ? member : Object.assign(member, { put: killed });
  };
  await assert.rejects(foundLog({ metadataKey, members, openMember }, systemRandom), /killed/);
  const report = await Stor.rebuild(options);
  const { from, restoredVersions, unreadableChunks } = report;
  assert.deepEqual([from, restoredVersions, unreadableChunks], ['manifests', 1, 0]);
});

test('a note of what was begun is replaced, and never half written', async () => {
  await using folder = await tempFolder('unfinished');
  await noteUnfinished(folder.path, { members: ['a'] });
  await using file = await open(join(folder.path, 'rebuild.unfinished'));
  await noteUnfinished(folder.path, { members: ['b'] });
  assert.deepEqual(JSON.parse(await file.readFile('utf8')), { members: ['a'] });
  assert.deepEqual(await findUnfinished(folder.path), { members: ['b'] });
});

test('small objects that were packed again since the snapshot are found', async () => {
  await using fleet = await ZdbFleet.open(6);
  const backendsFile = await fleet.makeStore('d');
  const folder = join(fleet.folder, 'head');
  const options = { folder, backendsFile, canBegin: true };
  const names = Array.from({ length: 99 }, (_, at) => `file ${at}`);
  const kept = names.filter((_, at) => at % 3 === 0);
  {
    await using files = await SmallFiles.open(options);
    for (const name of names) await files.put(name);
    await files.store.collection.runNow();
    await files.store.catalog.takeSnapshot();
    for (const name of names) if (!kept.includes(name)) await files.remove(name);
    for (let times = 0; times < 3; times++) await files.store.collection.runNow();
    for (const name of kept) assert.equal(await files.isWhole(name), true, name);
  }
  await rm(join(folder, 'catalog'), { recursive: true });
  await fleet.emptyNamespace('d-log');
  const report = await Stor.rebuild({ ...options, policy: fourPlusTwo });
  assert.equal(report.from, 'snapshot');
  await using files = await SmallFiles.open(options);
  await files.store.catalog.write(acceptRebuild);
  await files.store.collection.runNow();
  for (const name of kept) assert.equal(await files.isWhole(name), true, name);
});

test('a rebuild finds shards of lost markers, and begins with tables newer than the snapshot', async () => {
  await using fleet = await ZdbFleet.open(6);
  const backendsFile = await fleet.makeStore('e');
  const folder = join(fleet.folder, 'head');
  const options: StorOptions = { folder, backendsFile, policy: fourPlusTwo, canBegin: true };
  {
    await using stor = await Stor.open(options);
    await stor.put('large', [large]);
    await stor.put('removed', [small]);
    await stor.takeSnapshot();
    await stor.remove('removed');
  }
  for (const at of [0, 1, 2, 3]) {
    await using client = await fleet.server(at).connect();
    await client.command(['SELECT', 'e-shards']);
    await client.command(['DEL', markerKey]);
  }
  // These have other numbers from here on.
  const exact = await Stor.rebuild(options);
  assert.equal(exact.from, 'log');
  assert.ok(exact.relocatedChunks >= 3);
  await fleet.emptyNamespace('e-log');
  const report = await Stor.rebuild(options);
  assert.deepEqual([report.from, report.unreadableChunks], ['tables', 0]);
  assert.ok((await readdir(report.setAside ?? '')).includes('catalog.db'));
  await using stor = await Stor.open(options);
  assert.deepEqual([stor.isRebuilt, stor.list().map(({ name }) => name)], [true, ['large']]);
  assert.equal((await bytesOf(stor, 'large')).equals(large), true);
});
