import assert from 'node:assert/strict';
import { test } from 'node:test';
import { waitFor } from '@commongrid/base';
import { tempFolder } from '@commongrid/base/testing';
import { Store } from '../src/engine/store.ts';
import { faultyFiles } from '@commongrid/files/testing';

test('store reads a slow disk through the pool, and in the turn again once it is quick', async () => {
  await using folder = await tempFolder('zdb-slow-reads');
  let isSlow = false;
  const files = faultyFiles(({ name }) => {
    const until = performance.now() + (isSlow && name === 'read' ? 2 : 0);
    while (performance.now() < until);
    return undefined;
  });
  const store = await Store.open({ folder: folder.path, files });
  const namespace = store.namespaces.default;
  const bytes = Buffer.from('keyvalue');
  assert.equal(store.set(namespace, bytes, 0, 3, 3, 5, 1), 'written');
  await store.log.flush();
  const slot = store.table.segments[0]?.slot ?? 0;
  const look = (): string => {
    store.reader.dropSegment(slot);
    return store.lookup(namespace, bytes, 0, 3);
  };
  assert.equal(look(), 'live');
  isSlow = true;
  for (let i = 0; i < 10; i++) look();
  assert.equal(look(), 'fault');
  isSlow = false;
  const inTurn = (): boolean => Array.from({ length: 50 }, look).every((one) => one === 'live');
  await waitFor(inTurn, { timeoutMs: 60_000, what: 'reads in the turn' });
  await store.close();
});
