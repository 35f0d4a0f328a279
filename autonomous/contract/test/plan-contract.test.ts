import assert from 'node:assert/strict';
import { test } from 'node:test';

import fc from 'fast-check';
import { systemRandom } from '@commongrid/base';
import { openingHash } from '@commongrid/model';
import type { NodeId } from '@commongrid/model';
import { fakeId, Scene } from '@commongrid/model/testing';
import { buildContract, planContract } from '../src/index.ts';
import type { Directory, FoundPlan, NoPlan, Plan } from '../src/index.ts';
import { fakeDirectory } from './support/fake-directory.ts';

async function plan(definition: object, directory: Directory, more: object = {}): Promise<Plan> {
  const { draft, shards } = await buildContract(
    { name: 'shop', ...definition },
    {
      ...{ log: fakeId.hash(1), owner: fakeId.bot(1), controller: fakeId.key(3) },
      ...{ at: 1_700_000_000_000, folder: '/', draw: (count) => systemRandom.bytes(count) },
      resolveImage: async () => '',
      findBot: async () => undefined,
      findSeal: async () => undefined,
    },
  );
  const roles = draft.openings.map(({ role }) => role);
  return planContract({ header: draft.header, roles, shards, directory, ...more });
}

async function planned(...given: Parameters<typeof plan>): Promise<FoundPlan> {
  const result = await plan(...given);
  assert.ok(
    result.is === 'found',
    JSON.stringify(result, (_key, one: unknown) => String(one)),
  );
  return result;
}

async function refused(...given: Parameters<typeof plan>): Promise<NoPlan> {
  const result = await plan(...given);
  assert.ok(result.is === 'none');
  return result;
}

const secrets = { admin: 'x' };
const shard = {
  name: 'shard',
  ...{ shards: '16+4', data: 'dispersed', zdb: { size: '1GiB', password: 'admin' } },
  spread: { perFarm: 4, distinctNodes: true },
};
const sixFarms = Array.from({ length: 6 }, () => ({ owner: 1, nodes: 4 }));
const container = { flist: 'a'.repeat(64), rootBytes: '1GiB' };

test('twenty shards on six farms bear the loss of any four nodes or any one farm', async () => {
  const {
    items,
    cost,
    tolerance,
    secrets: readers,
  } = await planned({ secrets, roles: [shard] }, fakeDirectory(sixFarms));
  assert.equal(new Set(items.map(({ node }) => node)).size, 20);
  assert.equal(cost.perMonth, 0n);
  const [role] = tolerance;
  assert.deepEqual([role?.needed, role?.nodes, role?.farms, role?.countries], [16, 4, 1, 1]);
  assert.equal(readers[0]?.nodes.length, 20);
  assert.deepEqual(readers[0]?.owners, [fakeId.bot(1)]);
});

test('what is lost with a node is replaced where others have room left, and local data never is', async () => {
  const replaced = async (...given: Parameters<typeof plan>) =>
    (await planned(...given)).replacements.map(({ isTied, nodes, farms }) => {
      const [ofNodes, ofFarms] = [nodes, farms].map((one) => [one.triedCount, one.stuck.length]);
      return [isTied, ofNodes, ofFarms];
    });
  const shards = { secrets, roles: [shard] };
  assert.deepEqual(await replaced(shards, fakeDirectory(sixFarms)), [[false, [20, 0], [6, 0]]]);
  // Five farms of four nodes are all taken; with a fifth node each, a node is replaced and no farm.
  const five = sixFarms.slice(1);
  assert.deepEqual(await replaced(shards, fakeDirectory(five)), [[false, [20, 20], [5, 5]]]);
  const larger = fakeDirectory(five.map((farm) => ({ ...farm, nodes: 5 })));
  assert.deepEqual(await replaced(shards, larger), [[false, [20, 0], [5, 5]]]);
  const disk = { name: 'disk', volume: { size: '1GiB' } };
  const volumes = [{ role: 'disk', path: '/data', isReadOnly: false }];
  const roles = [
    disk,
    { name: 'web', container: { ...container, volumes } },
    { name: 'cache', memory: '1GiB', container },
  ];
  const both = await replaced({ roles }, fakeDirectory(sixFarms));
  assert.deepEqual(both, [
    [true, [1, 0], [1, 0]],
    [true, [1, 0], [1, 0]],
    [false, [1, 0], [1, 0]],
  ]);
  // Two nodes, each with room for one of two: what is left of the plan takes it.
  const large = { name: 'db', cpu: 3, replicas: 2, container };
  const two = fakeDirectory([{ owner: 1, nodes: 2 }]);
  assert.deepEqual(await replaced({ roles: [large] }, two), [[false, [2, 2], [1, 1]]]);
});

test('with four farms the loss of one is more than the parity', async () => {
  const farms = Array.from({ length: 4 }, () => ({ owner: 1, nodes: 5 }));
  const definition = { secrets, roles: [{ ...shard, spread: { distinctNodes: true } }] };
  const [role] = (await planned(definition, fakeDirectory(farms))).tolerance;
  assert.deepEqual([role?.nodes, role?.farms], [4, 0]);
});

test('a container goes where its volume is, and what is alone bears nothing', async () => {
  const roles = [
    { name: 'disk', replicas: 3, volume: { size: '60GiB' } },
    {
      ...{ name: 'web', replicas: 2, memory: '1GiB', onIsolation: 'stop' },
      container: { ...container, volumes: [{ role: 'disk', path: '/data', isReadOnly: false }] },
    },
  ];
  const { items, tolerance, alone } = await planned({ roles }, fakeDirectory([{ nodes: 3 }]));
  const nodeOf = (role: string, replica: number) =>
    items.find((one) => one.role === role && one.replica === replica)?.node;
  assert.equal(nodeOf('web', 0), nodeOf('disk', 0));
  assert.equal(nodeOf('web', 1), nodeOf('disk', 1));
  assert.equal(new Set([0, 1, 2].map((replica) => nodeOf('disk', replica))).size, 3);
  assert.deepEqual(
    tolerance.map(({ role, nodes }) => [role, nodes]),
    [
      ['disk', 0],
      ['web', 1],
    ],
  );
  assert.deepEqual(alone, { keep: ['disk'], stop: ['web'] });
});

test('the cheapest farms are taken within the budget, and the term is counted', async () => {
  const farms = [{ nodes: 0 }, { nodes: 2, cu: 12_000 }, { nodes: 2, cu: 4_000 }, { nodes: 9 }];
  const roles = [{ name: 'web', replicas: 3, cpu: 1, memory: '1GiB', container }];
  const spread = { spread: { distinctNodes: true } };
  const budget = { currency: 'EUR', perMonth: 10_000, total: 100_000 };
  const definition = { budget, days: 60, roles: [{ ...roles[0], ...spread }] };
  const { items, cost } = await planned(definition, fakeDirectory(farms));
  assert.deepEqual(items.map(({ farm }) => farm).toSorted(), [
    ...[fakeId.farm(2), fakeId.farm(3), fakeId.farm(3)],
  ]);
  // A quarter of a compute unit, by its memory: a cent an hour, and three elsewhere, for 720 hours.
  assert.deepEqual([cost.perMonth, cost.total, cost.isCheapest], [3_600n, 7_200n, true]);
  const poor = { ...definition, budget: { ...budget, perMonth: 3_599 } };
  const { obstacles, isProven } = await refused(poor, fakeDirectory(farms));
  assert.ok(isProven && obstacles[0]?.is === 'budget' && obstacles[0].cost.perMonth === 3_600n);
  const foreign = { ...definition, budget: { ...budget, currency: 'USD' } };
  const [places] = (await refused(foreign, fakeDirectory(farms))).obstacles;
  assert.ok(places?.is === 'places');
  assert.deepEqual(places.lacking, [{ need: 'price', nodes: 13, only: 13 }]);
});

test('when nothing fits it says how many nodes fail what, and which limit binds', async () => {
  const directory = fakeDirectory(sixFarms, (node) => ({
    ...(node < 5 ? { presence: 'gone' } : {}),
    ...(node === 0 ? { isInService: false } : {}),
    ...(node >= 20 ? { features: new Set(['containers']) } : {}),
  }));
  const crowded = { ...shard, replicas: 22, spread: { perFarm: 3, distinctNodes: true } };
  const { isProven, obstacles } = await refused({ secrets, roles: [crowded] }, directory);
  const [places] = obstacles;
  assert.ok(isProven && places?.is === 'places');
  assert.deepEqual([places.wanted, places.placed, places.suiting, places.nodes], [22, 12, 15, 24]);
  assert.deepEqual(places.lacking, [
    { need: 'presence', nodes: 5, only: 4 },
    { need: 'feature', nodes: 4, only: 4 },
    { need: 'service', nodes: 1, only: 0 },
  ]);
  assert.deepEqual(
    places.without,
    [
      { limit: 'perNode', placed: 12 },
      { limit: 'perFarm', placed: 15 },
    ].filter(({ placed }) => placed > 12),
  );
  const large = { name: 'disk', volume: { size: '101GiB' } };
  const [room] = (await refused({ roles: [large] }, fakeDirectory(sixFarms))).obstacles;
  assert.ok(room?.is === 'places');
  assert.deepEqual(room.lacking, [{ need: 'ssdBytes', nodes: 24, only: 24 }]);
});

test('what fits alone and not together is told as such', async () => {
  const half = (name: string) => ({ name, replicas: 2, volume: { size: '60GiB' } });
  const { obstacles, isProven } = await refused(
    { roles: [half('left'), half('right')] },
    fakeDirectory([{ nodes: 3 }]),
  );
  assert.deepEqual(obstacles, [{ is: 'together', roles: [['left'], ['right']] }]);
  assert.equal(isProven, true);
});

const changesOf = async (...given: Parameters<typeof plan>): Promise<readonly unknown[]> => {
  const { changes } = await refused(...given);
  return changes.map((all) =>
    all.map(({ role, path, from, to }) => [role ?? '', path, from, to].map(String).join(' ')),
  );
};

test('the smallest changes with which it fits are told, and each of them is enough', async () => {
  const five = fakeDirectory(Array.from({ length: 4 }, () => ({ owner: 1, nodes: 6 })));
  assert.deepEqual(await changesOf({ secrets, roles: [shard] }, five), [
    ['shard /spread/perFarm 4 5'],
  ]);
  const more = { ...shard, replicas: 26, spread: { distinctNodes: true } };
  assert.deepEqual(await changesOf({ secrets, roles: [more] }, five), [
    ['shard /spread/distinctNodes true false'],
    ['shard /replicas 26 24'],
  ]);
  const disk = { name: 'disk', replicas: 5, volume: { size: '60GiB' } };
  const two = fakeDirectory([{ nodes: 2, owner: 1 }]);
  // Two nodes of 100 GiB: three on one of them.
  assert.deepEqual(await changesOf({ roles: [disk] }, two), [
    ['disk /replicas 5 2'],
    [`disk /resources/ssdBytes ${60 * 2 ** 30} ${Math.floor((100 * 2 ** 30) / 3)}`],
  ]);
  const half = (name: string) => ({ name, replicas: 2, volume: { size: '60GiB' } });
  const both = [half('left'), half('right')];
  assert.deepEqual(await changesOf({ roles: both }, fakeDirectory([{ nodes: 3, owner: 1 }])), [
    ['left /replicas 2 1'],
    ['right /replicas 2 1'],
    [`left /resources/ssdBytes ${60 * 2 ** 30} ${50 * 2 ** 30}`],
    [`right /resources/ssdBytes ${60 * 2 ** 30} ${50 * 2 ** 30}`],
  ]);
});

test('a change that costs more than the budget says so, and a short budget what it lacks', async () => {
  const web = { name: 'web', replicas: 2, cpu: 1, memory: '1GiB', container };
  const farms = [
    { nodes: 1, owner: 1, country: 'BE' },
    { nodes: 2, cu: 8_000, country: 'CH' },
    { nodes: 2, cu: 4_000, country: 'EG' },
  ];
  const apart = { ...web, spread: { distinctNodes: true } };
  const heal = { mayMoveTo: { countries: ['BE'] } };
  const budget = { currency: 'EUR', perMonth: 0, total: 0 };
  const definition = { heal, budget, days: 60, roles: [apart] };
  const directory = fakeDirectory(farms);
  assert.deepEqual(await changesOf(definition, directory), [
    ['web /spread/distinctNodes true false'],
    ['web /replicas 2 1'],
    [
      ...[' /heal/mayMoveTo/countries BE BE,EG'],
      ...[' /budget/perMonth 0 720', ' /budget/total 0 1440'],
    ],
  ]);
  const anywhere = { ...definition, heal: {} };
  assert.deepEqual(await changesOf(anywhere, directory), [
    [' /budget/perMonth 0 720', ' /budget/total 0 1440'],
    ['web /replicas 2 1'],
  ]);
  const foreign = { ...anywhere, budget: { ...budget, currency: 'USD' } };
  const others = fakeDirectory(farms.slice(1).map((farm, at) => ({ ...farm, owner: at + 5 })));
  const [sold] = (await changesOf(foreign, others)).slice(-1);
  assert.deepEqual(sold, [
    ' /budget/currency USD EUR',
    ...[' /budget/perMonth 0 1440', ' /budget/total 0 2880'],
  ]);
  const wishes = { uptimeMin: 0.9 };
  const away = fakeDirectory([{ nodes: 2, owner: 1 }], () => ({ uptime: 0.5 }));
  assert.deepEqual(await changesOf({ roles: [web] }, away, { wishes }), [
    [' uptimeMin 0.9 undefined'],
  ]);
});

test('wishes for nodes, countries, uptime and public addresses are kept', async () => {
  const roles = [{ name: 'disk', volume: { size: '1GiB' } }];
  const directory = fakeDirectory(
    [
      { owner: 1, nodes: 2, country: 'BE' },
      { owner: 1, nodes: 2, country: 'CH', freeIpv4: 1 },
    ],
    (node) => ({ uptime: node === 2 ? 0.5 : 1 }),
  );
  const nodesOf = async (definition: object, wishes: object = {}) =>
    (await planned({ roles, ...definition }, directory, { wishes })).items.map(({ node }) => node);
  const inSwitzerland = { heal: { mayMoveTo: { countries: ['CH'] } } };
  assert.deepEqual(await nodesOf(inSwitzerland, { uptimeMin: 0.9 }), [fakeId.node(4)]);
  assert.deepEqual(await nodesOf({}, { only: new Set([fakeId.node(3)]) }), [fakeId.node(3)]);
  const latencies = new Map<NodeId, number | undefined>([
    ...([1, 2, 3] as const).map((n) => [fakeId.node(n), n === 2 ? 5 : undefined] as const),
  ]);
  assert.deepEqual(await nodesOf({}, { latencyMsMax: 5, latencies }), [fakeId.node(2)]);
  const reached = [{ ...roles[0], replicas: 2, ipv4: 1 }];
  const { obstacles } = await refused({ roles: reached }, directory);
  assert.ok(obstacles[0]?.is === 'places' && obstacles[0].placed === 1);
});

test('the rules of the log take what was planned', () => {
  const spread = fc.record(
    {
      perOwner: fc.integer({ min: 1, max: 3 }),
      perFarm: fc.integer({ min: 1, max: 3 }),
      distinctNodes: fc.boolean(),
    },
    { requiredKeys: ['distinctNodes'] },
  );
  fc.assert(
    fc.property(spread, fc.integer({ min: 1, max: 4 }), (limits, replicas) => {
      const scene = new Scene({ role: { spread: limits, replicas, networks: [] } }).begin();
      const { fold } = scene.grid;
      const { opening, header } = scene.plan;
      assert.equal(openingHash(opening), header.roles[0]?.hash);
      // Two farms, of ada, who owns the contract, and bob; his is not for sale.
      const directory = fakeDirectory([{ nodes: 3 }, { nodes: 1 }], (at) => ({
        id: scene.nodes[at] ?? scene.bobsNode,
      }));
      const owners = {
        farms: new Map(
          [...directory.farms].map(([id, farm]) => [
            id,
            { ...farm, owner: fold.farm(id)?.owner ?? farm.owner },
          ]),
        ),
      };
      const result = planContract({
        ...{ header, roles: [opening.role], shards: new Map() },
        directory: { ...directory, ...owners },
      });
      const most = Math.min(
        limits.perOwner ?? 9,
        limits.perFarm ?? 9,
        limits.distinctNodes ? 3 : 9,
      );
      assert.equal(result.is, replicas <= most ? 'found' : 'none');
      if (result.is === 'none') return;
      const nodes = result.items.map(({ node }) => node);
      assert.equal(scene.run(1, nodes), undefined);
    }),
    { numRuns: 60 },
  );
});
