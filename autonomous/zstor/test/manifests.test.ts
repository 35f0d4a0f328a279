import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { waitFor, withTimeout } from '@commongrid/base';
import { keyPages } from '../src/backends/key-pages.ts';
import { BlobStore } from '../src/blob-store.ts';
import type { BlobStoreOptions } from '../src/blob-store.ts';
import { versionIdIn } from '../src/manifest/manifest.ts';
import { deadManifests, noteOwed, releaseManifest } from '../src/manifest/manifest-tables.ts';
import { storSchema } from '../src/stor/file-tables.ts';
import { ZdbFleet } from '../src/testing/zdb-fleet.ts';
import { fourPlusTwo, mebibyte } from './support/cluster.ts';

/** How many backends have the manifest of each version. */
async function copiesIn({ backends }: BlobStore): Promise<Map<string, number>> {
  const copies = new Map<string, number>();
  for (const backend of backends.all) {
    if (backend.state !== 'healthy') continue;
    for await (const page of keyPages(backend, 'M')) {
      for (const { key } of page) {
        const name = versionIdIn(key)?.toString('hex') ?? '';
        copies.set(name, (copies.get(name) ?? 0) + 1);
      }
    }
  }
  return copies;
}

test('manifests have m + 1 copies, again after a loss, and none once they are released', async () => {
  await using fleet = await ZdbFleet.open(6);
  const options: BlobStoreOptions = {
    ...{ folder: join(fleet.folder, 'head'), backendsFile: await fleet.makeStore('m') },
    ...{ policy: fourPlusTwo, schema: storSchema, canBegin: true },
  };
  await using store = await BlobStore.open(options);
  const ids = Array.from({ length: 20 }, (_, at) => Buffer.alloc(16, at + 1));
  for (const versionId of ids) {
    const manifest = { versionId, document: Buffer.from('a document'), blobs: [] };
    assert.equal(await store.commitVersion(() => ({ result: 'made', manifest })), 'made');
  }
  const counts = async (): Promise<number[]> => [...(await copiesIn(store)).values()];
  assert.deepEqual(
    await counts(),
    ids.map(() => 3),
  );
  await fleet.kill(2);
  await waitFor(() => store.backends.all.some(({ state }) => state !== 'healthy'), {
    timeoutMs: 60_000,
    what: 'the loss to be noticed',
  });
  assert.ok((await store.manifests.keeper.keep()) > 0);
  assert.equal(
    (await counts()).every((count) => count === 3),
    true,
  );
  assert.equal(await store.manifests.keeper.keep(), 0);

  const refuse = (): never => {
    throw new RangeError('no');
  };
  await assert.rejects(store.commitVersion(refuse), RangeError);
  assert.equal((await counts()).length, ids.length);
  await store.catalog.write((db) => ids.forEach((id) => releaseManifest(db, id)));
  await waitFor(async () => (await counts()).length === 0, { timeoutMs: 60_000, what: 'the end' });
});

test('of a manifest that takes several values none is left', async () => {
  await using fleet = await ZdbFleet.open(6);
  const options: BlobStoreOptions = {
    ...{ folder: join(fleet.folder, 'head'), backendsFile: await fleet.makeStore('m') },
    ...{ policy: fourPlusTwo, schema: storSchema, canBegin: true },
  };
  await using store = await BlobStore.open(options);
  const versionId = Buffer.alloc(16, 7);
  const manifest = { versionId, document: Buffer.alloc(3 * mebibyte), blobs: [] };
  await store.commitVersion(() => ({ result: undefined, manifest }));
  const count = async (): Promise<number> => {
    const counts = [...(await copiesIn(store)).values()];
    return counts.reduce((sum, each) => sum + each, 0);
  };
  // Four parts, three copies; more when a node was slow, and another one was asked, too.
  assert.ok((await count()) >= 12);
  await store.catalog.write((db) => releaseManifest(db, versionId));
  const isReleased = (): boolean => store.catalog.read((db) => deadManifests(db, 1)).length === 0;
  await waitFor(isReleased, { timeoutMs: 60_000, what: 'the end' });
  assert.equal(await count(), 0);
});

test('a backend that hangs holds up no version', async () => {
  await using fleet = await ZdbFleet.open(6);
  const options: BlobStoreOptions = {
    ...{ folder: join(fleet.folder, 'head'), backendsFile: await fleet.makeStore('m') },
    ...{ policy: fourPlusTwo, schema: storSchema, canBegin: true },
  };
  await using store = await BlobStore.open(options);
  const ids = Array.from({ length: 12 }, (_, at) => Buffer.alloc(16, at + 1));
  fleet.server(0).signal('SIGSTOP');
  try {
    // Its commands are given up after 10 s.
    const all = ids.map((versionId) => {
      const manifest = { versionId, document: Buffer.from('a document'), blobs: [] };
      return store.commitVersion(() => ({ result: undefined, manifest }));
    });
    await withTimeout(() => Promise.all(all), { timeoutMs: 60_000, what: 'versions' });
  } finally {
    fleet.server(0).signal('SIGCONT');
  }
  const counts = await copiesIn(store);
  assert.ok(ids.every((id) => (counts.get(id.toString('hex')) ?? 0) >= 3));
});

test('the next head makes the manifests that the one before could not', async () => {
  await using fleet = await ZdbFleet.open(6);
  const options: BlobStoreOptions = {
    ...{ folder: join(fleet.folder, 'head'), backendsFile: await fleet.makeStore('m') },
    ...{ policy: fourPlusTwo, schema: storSchema, canBegin: true },
  };
  const [known, gone] = [Buffer.alloc(16, 1), Buffer.alloc(16, 2)];
  {
    await using store = await BlobStore.open(options);
    await store.catalog.write((db) => noteOwed(db, [known, gone]));
  }
  const document = Buffer.from('a document');
  await using store = await BlobStore.open({
    ...options,
    manifestOf: (_, versionId) =>
      versionId.equals(known) ? { versionId, document, blobs: [] } : undefined,
  });
  const found = async (): Promise<boolean> =>
    (await copiesIn(store)).get(known.toString('hex')) === 3;
  await waitFor(found, { timeoutMs: 60_000, what: 'the manifest' });
  assert.equal((await copiesIn(store)).size, 1);
});
