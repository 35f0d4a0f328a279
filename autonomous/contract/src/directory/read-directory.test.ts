import assert from 'node:assert/strict';
import { test } from 'node:test';

import { workloadIdOf } from '@commongrid/model';
import type { Node, RecordOf, RecordUrl } from '@commongrid/model';
import { examples, fakeId } from '@commongrid/model/testing';
import { readDirectory } from './read-directory.ts';
import type { DirectorySource } from './read-directory.ts';

type Records = { readonly [Url in RecordUrl]?: readonly RecordOf<Url>[] };

const gib = 2 ** 30;
const capacity = { cpuMilli: 4_000, memoryBytes: 8 * gib, ssdBytes: 100 * gib, hddBytes: 0 };
const node: Node = { ...examples['grid.node.1'], capacity };
const contract = examples['grid.placement.1'].contract;
const { opening } = examples['grid.slice.1'];
const { role } = opening;
const resources = { cpuMilli: 1_000, memoryBytes: gib, ssdBytes: 8 * gib, hddBytes: 0, ipv4: 1 };
const ours = { ...opening, role: { ...role, resources } };
const slice = { ...examples['grid.slice.1'], opening: ours };
const lock = { ...examples['grid.lock.1'], resources, expiresMs: 1_000 };

/** Where records of a type are in the log. */
type Places = { readonly [Url in RecordUrl]?: number };

/** A database that answers in pages of two. */
function sourceOf(records: Records, standings: object = {}, places: Places = {}): DirectorySource {
  const all = {
    'grid.node.1': [node],
    'grid.farm.1': [examples['grid.farm.1']],
    'grid.adoption.1': [examples['grid.adoption.1']],
    'grid.bot.1': [examples['grid.bot.1']],
    ...records,
  } as Readonly<Record<string, readonly object[]>>;
  return {
    find: async (_ns, { url, cursor = '0' }) => {
      const values = all[url] ?? [];
      const [from, to] = [Number(cursor), Number(cursor) + 2];
      const objects = values.slice(from, to).map((value) => {
        return { value, seq: places[url as RecordUrl] ?? 0 };
      });
      return { objects, ...(to < values.length ? { cursor: String(to) } : {}) } as never;
    },
    read: async (path) => {
      const standing = /standing=([a-z]+)/.exec(path)?.[1] ?? '';
      const nodes = Object.entries(standings).filter(([, one]) => one === standing);
      const found = nodes.map(([id]) => ({ node: id }));
      return { counts: { alive: found.length }, nodes: found } as never;
    },
  };
}

async function first(records: Records = {}, at = 0, standings: object = {}, places: Places = {}) {
  const { nodes, farms } = await readDirectory(sourceOf(records, standings, places), at);
  const [found] = nodes;
  const [farm] = farms.values();
  assert.ok(found && farm);
  return { ...found, freeIpv4: farm.freeIpv4 };
}

const freeOf = async (records: Records, at = 0, places: Places = {}) => {
  const { free, freeIpv4 } = await first(records, at, {}, places);
  return [free.cpuMilli, free.memoryBytes / gib, free.ssdBytes / gib, freeIpv4];
};

const none = [4_000, 8, 100, 1];
const taken = [3_000, 7, 92, 0];

test('what is placed takes room, and its data do until a tombstone', async () => {
  const placement = examples['grid.placement.1'];
  assert.deepEqual(await freeOf({}), none);
  assert.deepEqual(
    await freeOf({ 'grid.slice.1': [slice], 'grid.placement.1': [placement] }),
    taken,
  );
  assert.deepEqual(await freeOf({ 'grid.slice.1': [slice] }), [4_000, 8, 92, 1]);
  const tombstone = { ...examples['grid.tombstone.1'], workload: slice.workload };
  const buried = { 'grid.slice.1': [slice], 'grid.tombstone.1': [{ ...tombstone, revision: 1 }] };
  assert.deepEqual(await freeOf(buried), none);
  const container = { kind: 'container' as const };
  const stateless = { ...slice, opening: { ...ours, role: { ...ours.role, workload: container } } };
  assert.deepEqual(await freeOf({ 'grid.slice.1': [stateless] }), none);
});

test('a tombstone of what nobody pays for frees the room on the node that it names, and on no other', async () => {
  const placed = { 'grid.slice.1': [slice], 'grid.placement.1': [examples['grid.placement.1']] };
  const unpaid = { workload: slice.workload, revision: 1, reason: 'unpaid' as const };
  for (const records of [placed, { 'grid.slice.1': [slice] }]) {
    const before = await freeOf(records);
    const there = { ...unpaid, node: node.id };
    assert.deepEqual(await freeOf({ ...records, 'grid.tombstone.1': [there] }), none);
    const elsewhere = { ...unpaid, node: fakeId.node(99) };
    assert.deepEqual(await freeOf({ ...records, 'grid.tombstone.1': [elsewhere] }), before);
  }
});

test('an open lock keeps room: until it lapses, unless it was funded, and once with what is placed', async () => {
  const locks = { 'grid.lock.1': [lock] };
  assert.deepEqual(await freeOf(locks, 999), taken);
  assert.deepEqual(await freeOf(locks, 1_000), none);
  const funded = { ...locks, 'grid.escrow.1': [examples['grid.escrow.1']] };
  assert.deepEqual(await freeOf(funded, 1_000), taken);
  const ended = { ...funded, 'grid.refund.1': [examples['grid.refund.1']] };
  assert.deepEqual(await freeOf(ended, 1_000), none);
  const workload = workloadIdOf(contract, lock.slot.role, lock.slot.replica);
  assert.equal(workload, slice.workload);
  const placed = { 'grid.slice.1': [slice], 'grid.placement.1': [examples['grid.placement.1']] };
  assert.deepEqual(await freeOf({ ...funded, ...placed }), taken);
});

test('a rented place keeps room until a placement that is newer than the money ends it', async () => {
  const withdrawn = { ...examples['grid.placement.1'], items: [] };
  const records = {
    ...{ 'grid.lock.1': [lock], 'grid.placement.1': [withdrawn] },
    'grid.escrow.1': [{ ...examples['grid.escrow.1'], lock: lock.id, contract }],
  };
  for (const at of [999, 1_000]) {
    const before = { 'grid.placement.1': 4, 'grid.escrow.1': 5 };
    assert.deepEqual(await freeOf(records, at, before), taken);
    const after = { 'grid.placement.1': 6, 'grid.escrow.1': 5 };
    assert.deepEqual(await freeOf(records, at, after), none);
  }
});

test('a node that shrank below what it has is full, and three pages are read', async () => {
  const slices = [0, 1, 2, 3, 4].map((replica) => {
    return { ...slice, workload: workloadIdOf(contract, 'shard', replica) };
  });
  const items = slices.map((_one, replica) => {
    return { ...examples['grid.placement.1'].items[0], role: 'shard', replica, node: node.id };
  });
  const placement = { ...examples['grid.placement.1'], items } as RecordOf<'grid.placement.1'>;
  const records = { 'grid.slice.1': slices, 'grid.placement.1': [placement] };
  assert.deepEqual(await freeOf(records), [0, 3, 60, 0]);
});

test('service, presence and uptime are told as the log has them', async () => {
  const away = await first();
  assert.deepEqual([away.isInService, away.presence, away.uptime], [true, 'unseen', undefined]);
  const retired = { ...examples['grid.adoption.1'], standing: 'retired' as const };
  const moved = { ...examples['grid.adoption.1'], farm: fakeId.farm(9) };
  for (const adoption of [retired, moved]) {
    assert.equal((await first({ 'grid.adoption.1': [adoption] })).isInService, false);
  }
  const summary = { ...examples['grid.presence.1'], fromMs: 0, toMs: 1_000 };
  const gaps = [{ fromMs: 100, toMs: 350 }];
  const there = await first({ 'grid.presence.1': [{ ...summary, gaps }] }, 0, {
    [node.id]: 'suspect',
  });
  assert.deepEqual([there.presence, there.uptime], ['suspect', 0.75]);
});
