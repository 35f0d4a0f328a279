import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hasCode, ManualClock } from '@commongrid/base/testing';
import { rebuildTable } from '../rebuild/rebuild-tables.ts';
import { MemoryTables } from '../testing/memory-tables.ts';
import { ModelBackend } from '../testing/model-backends.ts';
import { manifestKey } from './manifest.ts';
import { manifestTables, owedManifestTable } from './manifest-schema.ts';
import { deadManifests, noteOwed, releaseManifest } from './manifest-tables.ts';
import { Manifests } from './manifests.ts';

const owedId = Buffer.alloc(16, 1);
const deadId = Buffer.alloc(16, 2);
const parityShards = 2;

test('who waits for what is owed stops when told to, though it is on its way for long', async () => {
  const tables = new MemoryTables(`${manifestTables} ${owedManifestTable} ${rebuildTable}`);
  noteOwed(tables.db, [owedId]);
  const all = Array.from({ length: 6 }, (_, at) => new ModelBackend(at + 1, () => 1));
  const asked = Promise.withResolvers<void>();
  const ended = Promise.withResolvers<void>();
  for (const backend of all) {
    backend.put = () => {
      asked.resolve();
      return ended.promise;
    };
  }
  await using manifests = manifestsOf(tables, all, () => true);
  const paying = manifests.payOwed();
  await asked.promise;
  const stop = new AbortController();
  const collecting = manifests.collectNow(stop.signal);
  stop.abort();
  await assert.rejects(collecting, hasCode('BASE_ABORTED'));
  ended.resolve();
  await paying;
});

test('head that has just begun makes what is owed before it removes what is gone', async () => {
  const tables = new MemoryTables(`${manifestTables} ${owedManifestTable} ${rebuildTable}`);
  noteOwed(tables.db, [owedId]);
  releaseManifest(tables.db, deadId);
  const all = Array.from({ length: 6 }, (_, at) => new ModelBackend(at + 1, () => 1));
  await all[0]?.put(manifestKey(deadId, 0), Buffer.from('of a version that is gone'));
  let isServing = false;
  await using manifests = manifestsOf(tables, all, () => isServing);
  isServing = true;
  await manifests.collectNow();
  const copiesOf = (id: Buffer): number =>
    all.filter(({ values }) => values.has(manifestKey(id, 0).toString('latin1'))).length;
  assert.equal(copiesOf(owedId), parityShards + 1);
  assert.equal(manifests.isLate, false);
  assert.equal(copiesOf(deadId), 0);
  assert.deepEqual(deadManifests(tables.db, 10), []);
});

function manifestsOf(
  tables: MemoryTables,
  all: readonly ModelBackend[],
  isServing: () => boolean,
): Manifests {
  return new Manifests({
    tables: {
      get isServing() {
        return isServing();
      },
      epoch: 2,
      read: (query) => tables.read(query),
      write: (change) => tables.write(change),
      requireLease: () => {},
      attach: () => {},
    },
    backends: { all, byNo: (no) => all.find((each) => each.no === no) },
    key: Buffer.alloc(32),
    parityShards,
    path: '',
    policy: { dataShards: 4, parityShards, chunkSizeBytes: 4 * 2 ** 20, compression: 'none' },
    manifestOf: (_db, versionId) => ({ versionId, document: Buffer.from('a file'), blobs: [] }),
    // Nothing comes by itself.
    clock: new ManualClock(),
  });
}
