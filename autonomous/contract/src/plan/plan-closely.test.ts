import assert from 'node:assert/strict';
import { test } from 'node:test';

import { systemRandom } from '@commongrid/base';
import type { FarmId, NodeId } from '@commongrid/model';
import { fakeId } from '@commongrid/model/testing';
import { buildContract } from '../draft/build-contract.ts';
import type { Directory, FarmerAnswer } from '../directory/directory.ts';
import type { NodeInspection } from '../directory/inspect-nodes.ts';
import { fakeDirectory } from '../../test/support/fake-directory.ts';
import { planClosely } from './plan-closely.ts';
import type { FarmQuestion } from './plan-closely.ts';
import type { PlanInput } from './plan-contract.ts';

const web = {
  ...{ name: 'web', replicas: 2, cpu: 1, memory: '1GiB', spread: { distinctNodes: true } },
  container: { flist: 'a'.repeat(64), rootBytes: '1GiB' },
};
const budget = { currency: 'EUR', perMonth: 100_000, total: 10_000_000 };

async function inputOf(directory: Directory, definition: object = {}): Promise<PlanInput> {
  const { draft, shards } = await buildContract(
    { name: 'shop', budget, roles: [web], ...definition },
    {
      ...{ log: fakeId.hash(1), owner: fakeId.bot(99), controller: fakeId.key(3) },
      ...{ at: 1_700_000_000_000, folder: '/', draw: (count) => systemRandom.bytes(count) },
      resolveImage: async () => '',
      findBot: async () => undefined,
      findSeal: async () => undefined,
    },
  );
  return { header: draft.header, roles: draft.openings.map(({ role }) => role), shards, directory };
}

const price = (perHour: number) => ({
  ...{ amount: fakeId.amount(perHour), currency: 'EUR', perSeconds: 3_600 },
});

function quoted(perHour: number): FarmerAnswer {
  return { is: 'quoted', prices: new Map([['web', price(perHour)]]), untilMs: 0 };
}

const declined = { is: 'declined', code: 'MARKET_CLOSED', message: 'no' } as const;

/** Plans with what looks and questions find out, and says which those were. */
async function closely(
  input: PlanInput,
  {
    answers = new Map(),
    inspections = new Map(),
  }: {
    readonly answers?: ReadonlyMap<FarmId, FarmerAnswer>;
    readonly inspections?: ReadonlyMap<NodeId, NodeInspection>;
  } = {},
) {
  const asked: FarmQuestion[][] = [];
  const inspected: NodeId[] = [];
  const { plan, directory } = await planClosely(input, {
    inspect: async (nodes) => {
      inspected.push(...nodes.map(({ id }) => id));
      return inspections;
    },
    quote: async (questions) => {
      asked.push([...questions]);
      const own = new Set(questions.map(({ farm }) => farm.id));
      return new Map([...answers].filter(([id]) => own.has(id)));
    },
  });
  return { plan, directory, asked, inspected };
}

const farmsOf = (asked: readonly FarmQuestion[] = []) => asked.map(({ farm }) => farm.name);

test('what farmers quote decides over the farm, and who declines is left out', async () => {
  // By the lists the second costs least: a quarter of a compute unit, for 720 hours.
  const farms = [8_000, 4_000, 12_000].map((cu) => ({ nodes: 2, cu }));
  const input = await inputOf(fakeDirectory(farms));
  const dear = await closely(input);
  assert.deepEqual(farmsOf(dear.asked[0]), ['farm-2', 'farm-1', 'farm-3']);
  assert.equal(dear.asked.length, 1);
  assert.ok(dear.plan.is === 'found' && dear.plan.cost.perMonth === 2n * 720n);
  const answers = new Map([
    [fakeId.farm(3), quoted(1)],
    [fakeId.farm(2), declined],
    [fakeId.farm(1), quoted(3)],
  ]);
  const { plan, directory } = await closely(input, { answers });
  assert.ok(plan.is === 'found');
  assert.deepEqual([...new Set(plan.items.map(({ farm }) => farm))], [fakeId.farm(3)]);
  assert.equal(plan.cost.perMonth, 2n * 720n);
  assert.equal(directory.farms.get(fakeId.farm(2))?.answer?.is, 'declined');
  const none = new Map([1, 2, 3].map((n) => [fakeId.farm(n), declined] as const));
  const refused = await closely(input, { answers: none });
  assert.ok(refused.plan.is === 'none' && refused.plan.obstacles[0]?.is === 'places');
  assert.deepEqual(refused.plan.obstacles[0].lacking, [{ need: 'answer', nodes: 6, only: 6 }]);
});

test('of many farms the cheapest are asked, and then those that a plan takes besides', async () => {
  const farms = Array.from({ length: 40 }, (_, n) => ({ nodes: 2, cu: 4_000 * (n + 1) }));
  const input = await inputOf(fakeDirectory(farms));
  const all = new Map(farms.map((_farm, n) => [fakeId.farm(n + 1), declined] as const));
  const first = await closely(input, {
    answers: new Map([...all].slice(0, 9)),
  });
  assert.deepEqual(
    first.asked.map((one) => farmsOf(one)),
    [Array.from({ length: 9 }, (_, n) => `farm-${n + 1}`), ['farm-10']],
  );
  const { asked, plan } = await closely(input, { answers: all });
  assert.equal(asked.flat().length, 16);
  assert.equal(plan.is, 'found');
});

test('nobody is asked for the own machines, and nodes of a plan are looked into until none is new', async () => {
  const directory = fakeDirectory([
    { nodes: 3, owner: 99 },
    { nodes: 2, cu: 1_000 },
  ]);
  const clone = { uptime: 1, isCloned: true };
  const inspections = new Map([[fakeId.node(1), clone]]);
  const { plan, asked, inspected } = await closely(await inputOf(directory), { inspections });
  assert.deepEqual(asked, []);
  assert.ok(plan.is === 'found');
  assert.deepEqual(plan.items.map(({ node }) => node).toSorted(), [fakeId.node(2), fakeId.node(3)]);
  assert.deepEqual(
    inspected.toSorted(),
    [1, 2, 3].map((n) => fakeId.node(n)),
  );
  const wishes = { uptimeMin: 0.9 };
  const away = new Map([1, 2, 3].map((n) => [fakeId.node(n), { uptime: 0.5, isCloned: false }]));
  const picky = await closely({ ...(await inputOf(directory)), wishes }, { inspections: away });
  assert.ok(picky.plan.is === 'found');
  assert.deepEqual([...new Set(picky.plan.items.map(({ farm }) => farm))], [fakeId.farm(2)]);
  assert.equal(picky.inspected.length, 5);
});
