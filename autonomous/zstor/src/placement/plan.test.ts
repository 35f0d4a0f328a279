import assert from 'node:assert/strict';
import { test } from 'node:test';
import { planStorage } from './plan.ts';
import type { Candidate } from './placement-rules.ts';

const code = { dataShards: 16, parityShards: 4 };
const good = { yearlyLoss: 0.02, repairHours: 24, uptime: 0.995 };

function nodes(count: number, perFarm: number): Candidate[] {
  return Array.from({ length: count }, (_, at) => ({
    no: at + 1,
    place: { node: `n${at}`, farm: `f${Math.floor(at / perFarm)}`, country: 'c' },
    isSpare: false,
    freeBytes: 1e12,
  }));
}

test('plan tells how many nodes and farms may be lost', () => {
  const spread = planStorage(nodes(24, 2), { ...code, farmShardsMax: 2 }, good);
  assert.deepEqual([spread.nodesSurvived, spread.farmsSurvived, spread.verdict], [4, 2, 'suits']);
  assert.deepEqual(spread.reasons, []);
  const large = planStorage(nodes(24, 8), code, good);
  assert.deepEqual([large.nodesSurvived, large.farmsSurvived, large.verdict], [4, 0, 'warning']);
  assert.equal(large.overhead, 1.25);
});

test('plan refuses where nodes are too few or the limits cannot be kept', () => {
  const few = planStorage(nodes(19, 1), code, good);
  assert.deepEqual([few.verdict, few.nodesSurvived, few.nodeCount], ['refused', 0, 19]);
  const tight = planStorage(nodes(24, 8), { ...code, farmShardsMax: 4 }, good);
  assert.deepEqual([tight.verdict, tight.placeableCount], ['refused', 12]);
});

test('plan warns of 16+4 on middling nodes, and refuses it on those of homes', () => {
  const on = (figures: Partial<typeof good>): string =>
    planStorage(nodes(24, 1), code, { ...good, ...figures }).verdict;
  assert.equal(on({}), 'suits');
  assert.equal(on({ yearlyLoss: 0.05, repairHours: 168 }), 'warning');
  assert.equal(on({ uptime: 0.95 }), 'warning');
  assert.equal(on({ yearlyLoss: 0.2, repairHours: 168 }), 'refused');
  assert.equal(on({ uptime: 0.9 }), 'refused');
});
