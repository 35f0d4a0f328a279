import assert from 'node:assert/strict';
import path from 'node:path';
import { test } from 'node:test';
import { waitFor, withTimeout } from '@commongrid/base';
import { tempFolder } from '@commongrid/base/testing';
import { realFiles } from '@commongrid/files';
import { MANIFEST_NAME, readManifest } from '../src/engine/log/manifest.ts';
import type { HistoryPolicy, Namespace } from '../src/engine/namespace.ts';
import { Namespaces } from '../src/engine/namespaces.ts';
import type { Store } from '../src/engine/store.ts';
import { faultyFiles } from '@commongrid/files/testing';
import { untilFetched } from '../src/testing/index.ts';
import { FOLDER, openStore } from './support/engine-crash.ts';

function put(store: Store, namespace: Namespace, key: string, value: string): void {
  const bytes = Buffer.from(key + value);
  const { length } = key;
  const done = store.set(namespace, bytes, 0, length, length, value.length, store.nowSeconds());
  assert.equal(done, 'written');
}

function remove(store: Store, namespace: Namespace, key: string): void {
  const bytes = Buffer.from(key);
  assert.equal(store.delete(namespace, bytes, 0, bytes.length, store.nowSeconds()), 'deleted');
}

function find(store: Store, namespace: Namespace, key: string): Promise<string> {
  const bytes = Buffer.from(key);
  return untilFetched(store, () => store.lookup(namespace, bytes, 0, bytes.length));
}

function keep(store: Store, namespace: Namespace, history: HistoryPolicy): void {
  store.putSettings({ ...namespace.settings, history });
}

/** Every segment sealed. */
async function sealed(store: Store): Promise<void> {
  await store.log.flush();
  store.log.rotate();
  put(store, store.namespaces.default, `next-${store.log.lastSequence}`, 'begins a segment');
  await store.log.flush();
  await store.maintenance.checkpoint();
  while (store.table.segments.some((one) => !one.isSealed && one !== store.table.last)) {
    store.maintenance.kick();
    await new Promise(setImmediate);
  }
}

test('manifest on its way replaces the old one although a save beside it failed', async () => {
  await using temp = await tempFolder('interleavings');
  let isFull = false;
  const files = faultyFiles((call) =>
    isFull && call.path.endsWith('manifest.new') ? { code: 'ENOSPC' } : undefined,
  );
  const store = await openStore(temp.path, { files });
  store.table.scrubbedMs = 7;
  const saving = store.table.saveBehind();
  isFull = true;
  assert.throws(() => store.table.save(), { code: 'ENOSPC' });
  isFull = false;
  await saving;
  const manifest = readManifest(realFiles, path.join(temp.path, FOLDER, MANIFEST_NAME));
  assert.equal(manifest?.scrubbedMs, 7);
  await store.close();
});

test('store that was closed does no maintenance for those who still wait', async () => {
  await using temp = await tempFolder('interleavings');
  const store = await openStore(temp.path);
  const namespace = store.createNamespace('small', 'user');
  store.putSettings({ ...namespace.settings, maxBytes: 1_000_000 });
  put(store, namespace, 'key', 'a value');
  const first = store.maintenance.compactAll();
  const others = [store.maintenance.checkpoint(), store.maintenance.compactAll()];
  const room = store.maintenance.makeRoom(namespace, 10_000_000);
  const outcomes = Promise.allSettled(others);
  await store.close();
  const manifest = readManifest(realFiles, path.join(temp.path, FOLDER, MANIFEST_NAME));
  await Promise.allSettled([first]);
  await withTimeout(() => room, { timeoutMs: 60_000, what: 'room in a closed store' });
  const late = store.maintenance.makeRoom(namespace, 10_000_000);
  assert.equal(await withTimeout(() => late, { timeoutMs: 60_000, what: 'room' }), false);
  await outcomes;
  await assert.rejects(store.maintenance.compactAll(), { code: 'ZDB_CLOSED' });
  assert.deepEqual(
    readManifest(realFiles, path.join(temp.path, FOLDER, MANIFEST_NAME)),
    manifest,
    'the folder was changed after the store had been closed',
  );
});

test('store reads on in the new files when they are opened anew meanwhile', async () => {
  await using temp = await tempFolder('interleavings');
  const store = await openStore(temp.path);
  const namespace = store.namespaces.default;
  for (let i = 0; i < 2000; i++) put(store, namespace, `key-${i}`, 'value');
  const { lastSequence } = store.log;
  await sealed(store);
  const work = async (): Promise<void> => {
    const page = store.scan(namespace);
    const record = store.recordAt(lastSequence);
    await store.reopenAfter(() => undefined);
    assert.ok((await page).items.length >= 2000);
    assert.equal((await record)?.key.toString(), 'key-1999');
    const late = store.scan(namespace);
    await store.close();
    await late.catch((error: unknown) => {
      assert.equal((error as { code?: string }).code, 'ZDB_CLOSED');
    });
    await assert.rejects(store.recordAt(lastSequence), { code: 'ZDB_CLOSED' });
  };
  await withTimeout(work, { timeoutMs: 60_000, what: 'reads beside a reopening' });
});

test('deleted key stays so when the policy changes while compaction decides', async () => {
  await using temp = await tempFolder('interleavings');
  const store = await openStore(temp.path);
  const namespace = store.namespaces.default;
  keep(store, namespace, { keep: 'all', limit: 0 });
  put(store, namespace, 'gone', 'value');
  // What decides takes a pause now and then.
  for (let i = 0; i < 9000; i++) put(store, namespace, `between-${i}`, 'value');
  remove(store, namespace, 'gone');
  const other = store.createNamespace('dead', 'user');
  for (let i = 0; i < 9000; i++) put(store, other, `key-${i}`, 'value');
  store.removeNamespace(other);
  await sealed(store);
  const locator = store.locator;
  const load = locator.load.bind(locator);
  let changes = 0;
  locator.load = async (segment) => {
    const index = await load(segment);
    const entry = index.entry.bind(index);
    index.entry = (position) => {
      const found = entry(position);
      // In the middle: the value was judged, its deletion was not.
      if (position === 5000 && changes++ === 0)
        keep(store, namespace, { keep: 'latest', limit: 0 });
      return found;
    };
    return index;
  };
  await store.maintenance.compactAll();
  assert.ok(changes > 0, 'the policy was not changed in the middle');
  assert.notEqual(await find(store, namespace, 'gone'), 'live');
  store.table.checkpoint = 0;
  await store.close();
  const again = await openStore(temp.path);
  assert.notEqual(await find(again, again.namespaces.default, 'gone'), 'live');
  await again.close();
});

test('many scans at once end although each needs another index file', async () => {
  await using temp = await tempFolder('interleavings');
  const store = await openStore(temp.path);
  const namespace = store.namespaces.default;
  const starts: number[] = [];
  for (let segment = 0; segment < 40; segment++) {
    starts.push(store.log.lastSequence);
    for (let i = 0; i < 600; i++) put(store, namespace, `key-${segment}-${i}`, 'value');
    await store.log.flush();
    store.log.rotate();
  }
  await sealed(store);
  const scans = starts.map((after) => store.scan(namespace, { after, limit: 500 }));
  const all = Promise.all(scans);
  const pages = await withTimeout(() => all, { timeoutMs: 60_000, what: '40 scans' });
  assert.ok(pages.every((page) => page.items.length === 500));
  await store.close();
});

test('namespaces know their highest number when there are very many', () => {
  const namespaces = new Namespaces(undefined);
  for (let id = 1; id <= 150_000; id++) namespaces.unnamed(id);
  assert.equal(namespaces.maxId, 150_000);
});

test('compaction keeps the next id that a master told', async () => {
  await using temp = await tempFolder('interleavings');
  const store = await openStore(temp.path);
  const namespace = store.createNamespace('numbered', 'seq');
  namespace.nextId = 90;
  store.table.nextIds.set(namespace.id, 101);
  for (let i = 0; i < 20; i++) put(store, store.namespaces.default, 'key', `value ${i}`);
  await store.maintenance.compactAll();
  assert.equal(store.table.nextIds.get(namespace.id), 101);
  await store.close();
});

for (const what of ['emptied', 'removed'] as const) {
  test(`room of a namespace that was ${what} is won back though nobody writes`, async () => {
    await using temp = await tempFolder('interleavings');
    const store = await openStore(temp.path);
    const namespace = store.createNamespace('large', 'user');
    for (let i = 0; i < 40; i++) put(store, namespace, `key-${i}`, 'v'.repeat(100_000));
    await sealed(store);
    const sizeBytes = (): number => {
      return store.table.segments.reduce((sum, one) => sum + one.nextOffset, 0);
    };
    assert.ok(sizeBytes() > 4_000_000);
    if (what === 'emptied') store.flushNamespace(namespace);
    else store.removeNamespace(namespace);
    store.log.turn();
    await waitFor(() => sizeBytes() < 1_000_000, { timeoutMs: 60_000, what: 'less on disk' });
    await store.close();
  });
}
