import assert from 'node:assert/strict';
import { test } from 'node:test';

import { faultText } from './faults.ts';
import type { Fault } from './faults.ts';
import { shrink } from './shrink.ts';
import { simulate } from './simulation.ts';
import type { SimulationReport } from './simulation.ts';

const isLong = process.env['GRID_TEST_LONG'] === '1';
const only = process.env['GRID_SIMULATION_SEED'];
/** Above the others; each found a fault once. */
const telling = [73, 129];
const count = isLong ? 1_000 : 50;
const drawn = Array.from({ length: count }, (_, index) => index + 1);
const seeds = only === undefined ? [...new Set([...drawn, ...telling])] : [Number(only)];
/** Histories that are tried to find a short one that fails too. */
const shrinkTriesMax = 40;

test(`${seeds.length} small grids keep their promises, whatever goes wrong`, async () => {
  let heals = 0;
  let drains = 0;
  let earned = 0n;
  for (const seed of seeds) {
    const report = await simulate(seed);
    if (report.problem !== undefined) assert.fail(await told(report));
    heals += report.healCount;
    drains += report.drainCount;
    earned += report.earned;
  }
  // Else nothing was put to the test.
  if (seeds.length >= 50) {
    assert.ok(heals >= seeds.length, `${heals} times something was placed anew`);
    assert.ok(drains >= seeds.length / 20, `${drains} times something left a node in order`);
    assert.ok(earned > 0n, 'nobody earned anything');
  }
});

test('a seed runs the same way each time', async () => {
  const [first, again] = [await simulate(7), await simulate(7)];
  assert.deepEqual(again, first);
});

test('a promise that is broken is told with a short history', async () => {
  const cut = (forMs: number): Fault => ({ is: 'bot-off', bot: 0, atMs: 1_000, forMs });
  const calm = Array.from({ length: 6 }, (_, n) => cut(n + 1));
  const all = [...calm.slice(0, 3), cut(40_000), ...calm.slice(3)];
  const fails = (faults: readonly Fault[]): Promise<boolean> =>
    Promise.resolve(faults.some(({ forMs }) => forMs > 15_000));
  assert.deepEqual(await shrink(all, fails, 100), [cut(20_000)]);
});

/** What people need to look for the fault. */
async function told({ seed, faults, problem }: SimulationReport): Promise<string> {
  const fails = async (fewer: readonly Fault[]): Promise<boolean> =>
    (await simulate(seed, fewer)).problem !== undefined;
  const least = await shrink(faults, fails, shrinkTriesMax);
  const { problem: last = problem } = await simulate(seed, least);
  return [
    `seed ${seed}: ${last?.message}`,
    ...least.map((fault) => `  ${faultText(fault)}`),
    `alone: GRID_SIMULATION_SEED=${seed} node --test system/simulation/simulation.test.ts`,
  ].join('\n');
}
