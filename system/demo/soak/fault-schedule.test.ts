import assert from 'node:assert/strict';
import { test } from 'node:test';

import { seededRandom } from '@commongrid/base';

import { traitsOf } from './fault-kinds.ts';
import { faultSchedule, isBorne } from './fault-schedule.ts';
import type { Fault } from './fault-schedule.ts';

const town = { machines: 8, farmers: 4, borne: 2, movesMax: 3 };
const seeds = 1_000;
const perSeed = 60;

/** The first faults of a seed. */
function first(seed: number, count: number): readonly Fault[] {
  return faultSchedule(seededRandom(seed), town).take(count).toArray();
}

test('with no seed more is harmed at once than is borne, and all faults have their turn', () => {
  for (let seed = 0; seed < seeds; seed++) {
    const ends = seededRandom(`ends ${seed}`);
    const active: Fault[] = [];
    for (const fault of first(seed, perSeed)) {
      if (!fault.joins) active.length = 0;
      while (!isBorne(active, fault, town)) {
        assert.ok(active.length > 0, `seed ${seed}: ${fault.kind} is never borne`);
        active.splice(ends.int(0, active.length), 1);
      }
      active.push(fault);
      const lost = active.filter(({ target }) => target.place === 'machine');
      const services = active.filter(({ target }) => target.place === 'service');
      assert.ok(lost.length <= 2, `seed ${seed}: ${lost.length} machines`);
      assert.ok(services.length <= 1, `seed ${seed}: ${services.length} services`);
      assert.ok(lost.length < 2 || services.length === 0, `seed ${seed}: a service as well`);
      const names = active.map(({ target }) => JSON.stringify(target));
      assert.equal(new Set(names).size, names.length, `seed ${seed}: one twice`);
      const hasHead = active.some(({ target }) => target.place === 'head');
      assert.ok(!hasHead || active.length === 1, `seed ${seed}: a head and others`);
    }
  }
});

test('no machine loses its places more often than it has room for', () => {
  for (let seed = 0; seed < seeds; seed++) {
    const counts = new Map<number, number>();
    for (const { kind, target } of first(seed, perSeed)) {
      if (target.place !== 'machine' || traitsOf(kind).moves !== true) continue;
      counts.set(target.at, (counts.get(target.at) ?? 0) + 1);
    }
    assert.ok(
      [...counts.values()].every((count) => count <= town.movesMax),
      `seed ${seed}`,
    );
  }
});

test('faults are by the seed alone, and last as long as their kind says', () => {
  assert.deepEqual(first(7, perSeed), first(7, perSeed));
  assert.notDeepEqual(first(7, perSeed), first(8, perSeed));
  for (const { kind, seconds } of first(7, perSeed)) {
    const [least, most] = traitsOf(kind).seconds;
    assert.ok(seconds >= least && seconds <= most, kind);
  }
});
