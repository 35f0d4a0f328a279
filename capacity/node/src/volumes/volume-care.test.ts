import assert from 'node:assert/strict';
import { test } from 'node:test';

import { GridError } from '@commongrid/base';
import { ManualClock } from '@commongrid/base/testing';

import { fakeId } from '@commongrid/model/testing';

import type { BackupTarget } from '../ports.ts';
import { VolumeCare } from './volume-care.ts';
import type { Volumes } from './volumes.ts';

const key = 'aaaaaaaaaaaa';
const tenant = fakeId.bot(1);
const { signal } = new AbortController();

/** A volume and a target on paper. */
function setUp() {
  const facts = new Map<string, string>();
  const snapshots = new Set<string>();
  const kept = new Set<string>();
  let isBroken = false;
  const volumes = {
    snapshot: async (_id: string, name: string) => void snapshots.add(name),
    snapshots: async () => [...snapshots].toSorted(),
    dropSnapshot: async (_id: string, name: string) => void snapshots.delete(name),
    backup: async (_id: string, _snapshot: string, { name }: { readonly name: string }) => {
      if (isBroken) throw new GridError('PAPER_BROKEN', 'the target is away');
      kept.add(name);
    },
  } as unknown as Volumes;
  const backups = {
    list: async (prefix: string) => [...kept].filter((name) => name.startsWith(prefix)).toSorted(),
    delete: async (name: string) => void kept.delete(name),
  } as unknown as BackupTarget;
  const store = {
    fact: (name: string) => facts.get(name),
    setFact: (name: string, value: string) => void facts.set(name, value),
  };
  const clock = new ManualClock();
  const open = () => new VolumeCare({ volumes, facts: store, backups, clock });
  const breakIt = (broken: boolean) => void (isBroken = broken);
  return { snapshots, kept, clock, open, breakIt };
}

const rhythm = { everySeconds: 60, keep: 2 };

test('snapshots are made in their time, and only the newest are kept', async () => {
  const { snapshots, clock, open } = setUp();
  await using care = open();
  care.take({ key, tenant, ownerUid: 1, volume: { snapshots: rhythm } });
  for (let n = 0; n < 5; n++) {
    await care.look(signal);
    await care.look(signal);
    assert.equal(snapshots.size, Math.min(n + 1, 2), String(n));
    await clock.advance(60_000);
  }
  care.leave(key);
  await care.look(signal);
  assert.equal(snapshots.size, 2);
});

test('a restart makes nothing twice, and a clock that was set back holds nothing up', async () => {
  const { snapshots, clock, open } = setUp();
  const take = { key, tenant, ownerUid: 1, volume: { snapshots: rhythm } };
  await using first = open();
  first.take(take);
  await first.look(signal);
  await using second = open();
  second.take(take);
  await second.look(signal);
  assert.equal(snapshots.size, 1);
  clock.jump(-3_600_000);
  await second.look(signal);
  assert.equal(snapshots.size, 2);
});

test('a backup that fails leaves no snapshot, and is made at the next look', async () => {
  const { snapshots, kept, open, breakIt } = setUp();
  await using care = open();
  care.take({ key, tenant, ownerUid: 1, volume: { backups: rhythm } });
  breakIt(true);
  await assert.rejects(care.look(signal), { code: 'PAPER_BROKEN' });
  assert.equal(snapshots.size, 0);
  breakIt(false);
  await care.look(signal);
  assert.deepEqual([snapshots.size, kept.size], [0, 1]);
});

test('of the backups of a volume the newest are kept, and none of other volumes and tenants goes', async () => {
  const { kept, clock, open } = setUp();
  const others = [`${fakeId.bot(2)}/${key}/auto-1`, `${tenant}/bbbbbbbbbbbb/auto-1`];
  for (const name of others) kept.add(name);
  await using care = open();
  care.take({ key, tenant, ownerUid: 1, volume: { backups: rhythm } });
  for (let n = 0; n < 4; n++) {
    await care.look(signal);
    await clock.advance(60_000);
  }
  const own = [...kept].filter((name) => name.startsWith(`${tenant}/${key}/`));
  assert.deepEqual([own.length, kept.size], [2, 4]);
});
