import assert from 'node:assert/strict';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';

import { hasCode, tempFolder } from '@commongrid/base/testing';

import { NodeState } from '../src/reconcile/node-state.ts';

test('state with a table and a column of a later release is opened as it is', async () => {
  await using folder = await tempFolder('state');
  const { path } = folder;
  {
    using state = NodeState.open(path);
    state.setFact('colour', 'green');
  }
  change(path, 'CREATE TABLE surprise (x TEXT); ALTER TABLE workload ADD COLUMN later TEXT');
  using state = NodeState.open(path);
  assert.equal(state.fact('colour'), 'green');
  assert.deepEqual(state.workloads(), []);
});

test('state of a later format is refused, and nothing of it is changed', async () => {
  await using folder = await tempFolder('state');
  const { path } = folder;
  NodeState.open(path).close();
  change(path, 'PRAGMA user_version = 2; DROP TABLE fact');
  for (let times = 0; times < 2; times++) {
    assert.throws(() => NodeState.open(path), hasCode('NODE_STATE_LATER'));
  }
});

test('state is opened and read while somebody else writes to it', async () => {
  await using folder = await tempFolder('state');
  const { path } = folder;
  NodeState.open(path).close();
  using writer = new DatabaseSync(join(path, 'state.sqlite'));
  writer.exec('BEGIN IMMEDIATE');
  using state = NodeState.open(path);
  assert.deepEqual(state.events(0, 10), []);
});

test('what happened to the node itself is kept beside what happened to workloads', async () => {
  await using folder = await tempFolder('state');
  using state = NodeState.open(folder.path);
  const event = { revision: 0, phase: 'failed' as const, code: 'NODE_RELEASE_FAILED', at: 1_000 };
  const kept = state.noteOwn(event);
  assert.deepEqual(state.events(0, 10), [{ ...event, seq: kept.seq }]);
});

function change(folder: string, sql: string): void {
  const db = new DatabaseSync(join(folder, 'state.sqlite'));
  db.exec(sql);
  db.close();
}
