import assert from 'node:assert/strict';
import { test } from 'node:test';

import { fakeId } from '@commongrid/model/testing';

import { momentMs, nextRelease, wantedBy } from './next-release.ts';
import type { ReleaseSituation } from './next-release.ts';

const digest = fakeId.digest(1);
const record = { name: 'node', version: '0.2.0', flist: digest };
const wanted = wantedBy(record, 1_000);
const usual: ReleaseSituation = {
  ...{ node: fakeId.node(1), wanted, running: { version: '0.1.0' }, failed: undefined },
  ...{ logTimeMs: 1_000, nowMs: 5_000 },
};

function next(change: Partial<ReleaseSituation>): string {
  return nextRelease({ ...usual, ...change }).is;
}

test('a release above the one that runs is due, and the same one is kept', () => {
  assert.deepEqual(nextRelease(usual), { is: 'due', release: wanted });
  assert.equal(next({ wanted: undefined }), 'kept');
  assert.equal(next({ running: { version: '0.2.0', digest } }), 'kept');
  assert.equal(next({ running: { version: '0.2.0' } }), 'kept');
  assert.equal(next({ running: { version: '0.2.0', digest: fakeId.digest(2) } }), 'due');
});

test('a release below the one that runs is taken only when that is meant', () => {
  const running = { version: '0.10.0', digest: fakeId.digest(2) };
  assert.equal(next({ running }), 'kept');
  assert.equal(next({ running, wanted: { ...wanted, isRollback: true } }), 'due');
});

test('a release that failed is not tried again, or not before its time', () => {
  const failed = { version: '0.2.0', digest, message: 'it ended with 1', atMs: 0 };
  assert.equal(next({ failed }), 'kept');
  assert.equal(next({ failed: { ...failed, retryAtMs: 5_001 } }), 'later');
  assert.equal(next({ failed: { ...failed, retryAtMs: 5_000 } }), 'due');
  assert.equal(next({ failed: { ...failed, digest: fakeId.digest(2) } }), 'due');
});

test('nodes take a release at moments of their own, spread over log time', () => {
  const spread = wantedBy({ ...record, spreadSeconds: 1_000 }, 1_000);
  const moments = Array.from({ length: 200 }, (_, n) => momentMs(spread, fakeId.node(n)));
  for (let tenth = 0; tenth < 10; tenth++) {
    const count = moments.filter((ms) => Math.floor(ms / 100_000) === tenth).length;
    assert.ok(count >= 5 && count <= 40, `${count} nodes in part ${tenth}`);
  }
  const moment = 1_000 + momentMs(spread, usual.node);
  assert.equal(next({ wanted: spread, logTimeMs: moment - 1 }), 'later');
  assert.equal(next({ wanted: spread, logTimeMs: moment }), 'due');
  assert.notEqual(momentMs({ ...spread, digest: fakeId.digest(2) }, usual.node), moment - 1_000);
});
