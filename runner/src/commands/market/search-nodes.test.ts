import assert from 'node:assert/strict';
import { test } from 'node:test';

import type { Directory, DirectoryFarm, DirectoryNode } from '@commongrid/contract';
import { fakeId } from '@commongrid/model/testing';

import { searchNodes } from './search-nodes.ts';
import type { NodeSearch } from './search-nodes.ts';

const gib = 2 ** 30;
const resources = {
  ...{ cpuMilli: 2_000, memoryBytes: 4 * gib, ssdBytes: 0, hddBytes: 0, ipv4: 0 },
};

function farm(n: number, country: string, cu: number | undefined, currency = 'EUR'): DirectoryFarm {
  const prices = {
    ...{ currency, unitHours: 1 },
    ...(cu === undefined ? {} : { cu: fakeId.amount(cu) }),
  };
  const place = { country, city: 'Town', freeIpv4: n };
  return { id: fakeId.farm(n), name: `farm-${n}`, owner: fakeId.bot(n), prices, ...place };
}

function node(n: number, inFarm: number, change: Partial<DirectoryNode> = {}): DirectoryNode {
  const capacity = { cpuMilli: 4_000, memoryBytes: 8 * gib, ssdBytes: gib, hddBytes: 0 };
  return {
    ...{ id: fakeId.node(n), name: `node-${n}`, farm: fakeId.farm(inFarm), addresses: [] },
    ...{ isInService: true, presence: 'alive', uptime: 1, capacity, free: capacity },
    features: new Set(n % 2 === 0 ? ['zdb'] : []),
    ...change,
  };
}

const farms = [
  farm(1, 'BE', 10),
  farm(2, 'CH', 5),
  farm(3, 'BE', undefined),
  farm(4, 'EG', 1, 'TFT'),
];
const directory: Directory = {
  nodes: [
    ...[node(1, 1), node(2, 1, { uptime: 0.9 }), node(3, 2), node(4, 3), node(5, 4)],
    node(6, 1, { presence: 'gone' }),
    node(7, 1, { isInService: false }),
    node(8, 1, { free: { cpuMilli: 1_999, memoryBytes: 8 * gib, ssdBytes: 0, hddBytes: 0 } }),
  ],
  farms: new Map(farms.map((one) => [one.id, one])),
  bots: new Map([[fakeId.bot(1), 'fern']]),
};

function names(search: Partial<NodeSearch> = {}): readonly string[] {
  return searchNodes(directory, { resources, ...search }).map((found) => found.node.name);
}

test('nodes that live, have room and are for sale are found, the cheapest first', () => {
  assert.deepEqual(names(), ['node-3', 'node-1', 'node-2', 'node-5']);
  const [cheapest] = searchNodes(directory, { resources });
  assert.deepEqual([cheapest?.perMonth, cheapest?.currency], [5n * 720n, 'EUR']);
  const ofFern = searchNodes(directory, { resources, farms: ['farm-1'] });
  assert.deepEqual(new Set(ofFern.map(({ farmer }) => farmer)), new Set(['fern']));
  assert.deepEqual(
    searchNodes(directory, { resources, farms: ['farm-2'] }).map(({ farmer }) => farmer),
    [fakeId.bot(2)],
  );
});

test('place, features, currency and price narrow it down', () => {
  assert.deepEqual(names({ countries: ['BE'] }), ['node-1', 'node-2']);
  assert.deepEqual(names({ countries: ['BE', 'EG'] }), ['node-1', 'node-2', 'node-5']);
  assert.deepEqual(names({ farms: [fakeId.farm(2), 'farm-3'] }), ['node-3']);
  assert.deepEqual(names({ features: ['zdb'] }), ['node-2']);
  assert.deepEqual(names({ countries: ['BE'], uptimeMin: 0.99 }), ['node-1']);
  assert.deepEqual(names({ currency: 'TFT' }), ['node-5']);
  assert.deepEqual(names({ currency: 'EUR', perMonthMax: 3_600n }), ['node-3']);
  assert.deepEqual(names({ currency: 'EUR', perMonthMax: 3_599n }), []);
  const many = { ...resources, memoryBytes: 9 * gib };
  assert.deepEqual(names({ resources: many }), []);
  assert.deepEqual(names({ resources: { ...resources, ipv4: 2 } }), []);
});
