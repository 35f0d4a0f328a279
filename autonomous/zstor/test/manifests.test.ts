import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { waitFor } from '@commongrid/base';
import { keyPages } from '../src/backends/key-pages.ts';
import { BlobStore } from '../src/blob-store.ts';
import type { BlobStoreOptions } from '../src/blob-store.ts';
import { versionIdIn } from '../src/manifest/manifest.ts';
import { deadManifests, releaseManifest } from '../src/manifest/manifest-tables.ts';
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
  const made = async (): Promise<string> => 'made';
  for (const versionId of ids) {
    const manifest = { versionId, document: Buffer.from('a document'), blobs: [] };
    assert.equal(await store.withManifest(manifest, made), 'made');
  }
  const counts = async (): Promise<number[]> => [...(await copiesIn(store)).values()];
  assert.deepEqual(
    await counts(),
    ids.map(() => 3),
  );
  await fleet.kill(2);
  await waitFor(() => store.backends.all.some(({ state }) => state !== 'healthy'), {
    timeoutMs: 30_000,
    what: 'the loss to be noticed',
  });
  assert.ok((await store.manifests.keeper.keep()) > 0);
  assert.equal(
    (await counts()).every((count) => count === 3),
    true,
  );
  assert.equal(await store.manifests.keeper.keep(), 0);

  const refused = { versionId: Buffer.alloc(16, 99), document: Buffer.alloc(0), blobs: [] };
  const refuse = (): Promise<void> => Promise.reject(new RangeError('no'));
  await assert.rejects(store.withManifest(refused, refuse), RangeError);
  await store.catalog.write((db) => ids.forEach((id) => releaseManifest(db, id)));
  await waitFor(async () => (await counts()).length === 0, { timeoutMs: 30_000, what: 'the end' });
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
  await store.withManifest(manifest, async () => {});
  const count = async (): Promise<number> => {
    const counts = [...(await copiesIn(store)).values()];
    return counts.reduce((sum, each) => sum + each, 0);
  };
  // Four parts, three copies.
  assert.equal(await count(), 12);
  await store.catalog.write((db) => releaseManifest(db, versionId));
  const isReleased = (): boolean => store.catalog.read((db) => deadManifests(db, 1)).length === 0;
  await waitFor(isReleased, { timeoutMs: 30_000, what: 'the end' });
  assert.equal(await count(), 0);
});
