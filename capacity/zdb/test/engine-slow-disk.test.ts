import assert from 'node:assert/strict';
import { test } from 'node:test';
import { tempFolder } from '@commongrid/base/testing';
import { type Files, realFiles } from '@commongrid/files';
import { openStore } from './support/engine-crash.ts';

/** A disk that takes so long for each sync. */
const SYNC_MS = 20;
const COMMITS = 60;

/** Real files whose syncs are slow; `inTurn` is called for those that hold everybody up. */
function slowFiles(inTurn: () => void): Files {
  const stall = (): void => {
    inTurn();
    const until = performance.now() + SYNC_MS;
    while (performance.now() < until);
  };
  const wait = (_fd: number, done: (error: null) => void): void => {
    setTimeout(() => done(null), SYNC_MS);
  };
  const slow = { fdatasyncSync: stall, fsyncSync: stall, fdatasync: wait, fsync: wait };
  return { ...realFiles, ...(slow as unknown as Partial<Files>) };
}

test('cached values are read at once while a slow disk syncs', async () => {
  await using temp = await tempFolder('slow-disk');
  let stalls = 0;
  const files = slowFiles(() => stalls++);
  let durable = 0;
  const store = await openStore(temp.path, {
    files,
    onDurable: (sequence) => {
      durable = sequence;
    },
  });
  const namespace = store.namespaces.default;
  const put = (text: string): void => {
    const bytes = Buffer.from(`key${text}`);
    assert.equal(store.set(namespace, bytes, 0, 3, 3, text.length, 1), 'written');
    store.log.turn();
  };
  const key = Buffer.from('key');
  // The first syncs show that it is slow.
  put('first');
  await store.log.flush();
  stalls = 0;
  let turns = 0;
  for (let commit = 0; commit < COMMITS; commit++) {
    put(`value ${commit}`);
    const { lastSequence } = store.log;
    while (durable < lastSequence) {
      assert.equal(store.lookup(namespace, key, 0, 3), 'live');
      assert.equal(store.value().toString(), `value ${commit}`);
      turns++;
      await new Promise(setImmediate);
    }
    // Sealing, compaction and checkpoints are no reason to wait either.
    if (commit % 20 === 10) {
      store.log.rotate();
      void store.maintenance.checkpoint();
    }
  }
  assert.ok(turns > COMMITS, 'nobody read while the disk synced');
  // A new segment is begun behind everybody's back too.
  assert.equal(stalls, 0, `${stalls} syncs held everybody up in ${COMMITS} commits`);
  await store.maintenance.checkpoint();
  await store.close();
});
