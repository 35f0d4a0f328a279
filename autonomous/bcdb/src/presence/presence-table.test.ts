import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hasCode, ManualClock } from '@commongrid/base/testing';
import { fakeId } from '@commongrid/model/testing';
import type { Heartbeat } from './heartbeat.ts';
import { heartbeatsBurstMax, PresenceTable, presenceWatchersMax } from './presence-table.ts';

function tableAt(clock: ManualClock, nodesMax = 10): PresenceTable {
  return new PresenceTable({ clock, suspectAfterMs: 3000, goneAfterMs: 10_000, nodesMax });
}

function beat(n: number, counter: number, session = 1): Heartbeat {
  return {
    log: fakeId.hash(0),
    node: fakeId.node(n),
    session,
    boot: fakeId.nonce16(session),
    epoch: fakeId.nonce16(0),
    counter,
    checkpoint: { size: 1, root: fakeId.hash(1) },
  };
}

test('PresenceTable calls a silent node suspect, then gone, then alive when it is back', async () => {
  const clock = new ManualClock();
  const table = tableAt(clock);
  const changes = table.watch();
  table.see(beat(1, 1));
  assert.equal((await changes.next()).value?.standing, 'alive');
  await clock.advance(2999);
  assert.equal(table.get(fakeId.node(1))?.standing, 'alive');
  await clock.advance(1);
  assert.equal((await changes.next()).value?.standing, 'suspect');
  clock.jump(86_400_000);
  await clock.advance(6999);
  assert.deepEqual(table.counts(), { alive: 0, suspect: 1, gone: 0 });
  clock.jump(-172_800_000);
  await clock.advance(1);
  const { value } = await changes.next();
  assert.deepEqual([value?.standing, value?.silentMs], ['gone', 10_000]);
  table.see(beat(1, 2));
  assert.equal((await changes.next()).value?.standing, 'alive');
  table.close();
  assert.equal((await changes.next()).done, true);
  assert.equal(clock.timerCount, 0);
});

test('PresenceTable counts nodes of the log as just seen, and forgets them after a day', async () => {
  const clock = new ManualClock();
  const table = tableAt(clock);
  table.assume(fakeId.node(1), 3);
  assert.equal(table.get(fakeId.node(1))?.isAssumed, true);
  await clock.advance(10_000);
  assert.equal(table.get(fakeId.node(1))?.standing, 'gone');
  // A node that comes meanwhile is watched in time, though the next timer is far away.
  table.see(beat(2, 1));
  await clock.advance(3000);
  assert.equal(table.get(fakeId.node(2))?.standing, 'suspect');
  await clock.advance(24 * 3_600_000);
  assert.equal(table.get(fakeId.node(1)), undefined);
  table.close();
});

test('PresenceTable takes each counter of a session once, and no former session', () => {
  const table = tableAt(new ManualClock());
  table.see(beat(1, 5));
  assert.throws(() => table.see(beat(1, 5)), hasCode('BCDB_HEARTBEAT_STALE'));
  assert.throws(() => table.see(beat(1, 4)), hasCode('BCDB_HEARTBEAT_STALE'));
  table.see(beat(1, 1, 2));
  assert.throws(() => table.see(beat(1, 6, 1)), hasCode('BCDB_HEARTBEAT_STALE'));
  table.close();
});

test('PresenceTable refuses nodes beyond its room, and heartbeats beyond the rate', async () => {
  const clock = new ManualClock();
  const table = tableAt(clock, 2);
  table.see(beat(1, 1));
  table.see(beat(2, 1));
  assert.throws(() => table.see(beat(3, 1)), hasCode('BCDB_PRESENCE_FULL'));
  let taken = 1;
  assert.throws(() => {
    for (; taken < 100; taken++) table.see(beat(1, taken + 1));
  }, hasCode('BCDB_BUSY'));
  assert.equal(taken, heartbeatsBurstMax + 1);
  await clock.advance(250);
  table.see(beat(1, 200));
  assert.throws(() => table.see(beat(1, 201)), hasCode('BCDB_BUSY'));
  table.close();
});

test('PresenceTable tells a slow watcher the newest standing of each node, once', async () => {
  const clock = new ManualClock();
  const table = tableAt(clock);
  const changes = table.watch();
  for (const n of [1, 2, 3]) table.see(beat(n, 1));
  await clock.advance(10_000);
  table.see(beat(2, 2));
  const told: string[] = [];
  for (let index = 0; index < 3; index++) {
    const { value } = await changes.next();
    told.push(`${value?.node === fakeId.node(2) ? 'two' : 'other'} ${value?.standing ?? ''}`);
  }
  assert.deepEqual(told, ['other gone', 'two alive', 'other gone']);
  table.close();
  assert.equal((await changes.next()).done, true);
});

test('PresenceTable ends a watch when its signal fires, and has room for so many', async () => {
  const table = tableAt(new ManualClock());
  const controller = new AbortController();
  const first = table.watch({ signal: controller.signal });
  for (let count = 1; count < presenceWatchersMax; count++) table.watch();
  assert.throws(() => table.watch(), hasCode('BCDB_WATCHERS_FULL'));
  const waiting = first.next();
  controller.abort();
  assert.equal((await waiting).done, true);
  await table.watch().return?.();
  table.watch();
  table.close();
});
