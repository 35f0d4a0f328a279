import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { waitFor } from '@commongrid/base';
import { ZdbFleet } from '../src/testing/zdb-fleet.ts';
import { SmallFiles } from './support/small-files.ts';

function blobsIn({ store }: SmallFiles): number {
  return store.catalog.read((db) =>
    Number(db.prepare('SELECT count(*) AS n FROM blobs').get()?.['n']),
  );
}

test('snapshots at the same time, and one whose head ends, leave nothing behind', async () => {
  await using fleet = await ZdbFleet.open(6);
  const backendsFile = await fleet.makeStore('left');
  const folder = join(fleet.folder, 'head');
  const options = { folder, backendsFile, canBegin: true };
  {
    await using files = await SmallFiles.open(options);
    await files.put('kept');
    const { catalog } = files.store;
    await Promise.all([1, 2, 3].map(() => catalog.takeSnapshot()));
    assert.equal(blobsIn(files), 3);
    const taken = catalog.takeSnapshot();
    await waitFor(() => blobsIn(files) === 4, { what: 'its blob', timeoutMs: 60_000, everyMs: 1 });
    await Promise.all([assert.rejects(taken), files.store.close()]);
  }
  {
    await using files = await SmallFiles.open(options);
    assert.equal(blobsIn(files), 4);
    await files.store.catalog.takeSnapshot();
    assert.equal(blobsIn(files), 3);
    await files.store.collection.runNow();
    assert.deepEqual(await files.leftOver(), []);
  }
  await rm(join(folder, 'catalog'), { recursive: true });
  await using files = await SmallFiles.open(options);
  assert.equal(await files.isWhole('kept'), true);
});
