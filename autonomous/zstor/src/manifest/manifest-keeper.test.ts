import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MemoryTables } from '../testing/memory-tables.ts';
import { ModelBackend } from '../testing/model-backends.ts';
import { ManifestKeeper } from './manifest-keeper.ts';
import { manifestKey, sealManifest } from './manifest.ts';
import { blobTables } from '../stor/blob-tables.ts';

const sealKey = Buffer.alloc(32, 9);
const versionId = Buffer.alloc(16, 1);
const manifest = { versionId, document: Buffer.from('a document'), blobs: [] };

test('a copy of a manifest that is wrong is neither copied nor counted', async () => {
  const all = Array.from({ length: 6 }, (_, at) => new ModelBackend(at + 1, () => 0));
  const [wrong, right] = all;
  const [value] = sealManifest(sealKey, manifest);
  assert.ok(wrong && right && value);
  const key = manifestKey(versionId, 0);
  await wrong.put(key, Buffer.from(value).fill(1, value.length - 1));
  await right.put(key, value);
  const tables = Object.assign(new MemoryTables(blobTables), {
    ...{ isServing: false, epoch: 1, requireLease: () => {} },
  });
  const byNo = (no: number): ModelBackend | undefined => all.find((each) => each.no === no);
  const backends = { all, byNo };
  await using keeper = new ManifestKeeper({
    ...{ tables, backends, key: sealKey, parityShards: 2, path: ':memory:' },
  });
  assert.equal(await keeper.keep(), 2);
  const copies = all.map(({ values }) => [...values.values()].filter((each) => each.equals(value)));
  assert.equal(copies.flat().length, 3);
  assert.equal(
    all.reduce((sum, { values }) => sum + values.size, 0),
    4,
  );
});

test('a copy that is damaged once it was looked at is not copied', async () => {
  const all = Array.from({ length: 3 }, (_, at) => new ModelBackend(at + 1, () => 0));
  const [holder] = all;
  const [value] = sealManifest(sealKey, manifest);
  assert.ok(holder && value);
  const sound = [value];
  holder.values.set(manifestKey(versionId, 0).toString('latin1'), value);
  holder.get = async () => sound.pop() ?? Buffer.from(value).fill(1, value.length - 1);
  const tables = Object.assign(new MemoryTables(blobTables), {
    ...{ isServing: false, epoch: 1, requireLease: () => {} },
  });
  const backends = { all, byNo: (no: number) => all.find((each) => each.no === no) };
  await using keeper = new ManifestKeeper({
    ...{ tables, backends, key: sealKey, parityShards: 2, path: ':memory:' },
  });
  assert.equal(await keeper.keep(), 0);
  assert.deepEqual(
    all.map(({ values }) => values.size),
    [1, 0, 0],
  );
});
