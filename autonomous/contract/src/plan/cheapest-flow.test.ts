import assert from 'node:assert/strict';
import { test } from 'node:test';

import fc from 'fast-check';
import { cheapestFlow } from './cheapest-flow.ts';
import type { FlowFarm } from './cheapest-flow.ts';

const rooms = fc.array(fc.integer({ min: 1, max: 3 }), { minLength: 3, maxLength: 3 });
const questions = fc.record({
  count: fc.integer({ min: 1, max: 6 }),
  owners: rooms,
  countries: rooms,
  farms: fc.array(
    fc.record({
      ...{ owner: fc.nat({ max: 2 }), country: fc.nat({ max: 2 }) },
      ...{ room: fc.nat({ max: 2 }), cost: fc.bigInt({ min: 0n, max: 20n }) },
    }),
    { minLength: 1, maxLength: 7 },
  ),
});

/** Most units that fit, and what these cost at least, by trying all ways. */
function bruteForce(
  farms: readonly FlowFarm[],
  { count, owners, countries }: { count: number; owners: number[]; countries: number[] },
): readonly [number, bigint] {
  let best: readonly [number, bigint] = [0, 0n];
  const place = (at: number, placed: number, cost: bigint): void => {
    if (placed > best[0] || (placed === best[0] && cost < best[1])) best = [placed, cost];
    const farm = farms[at];
    if (farm === undefined) return;
    const [owner = 0, country = 0] = [owners[farm.owner], countries[farm.country]];
    const most = Math.min(farm.room, owner, country, count - placed);
    for (let units = 0; units <= most; units++) {
      owners[farm.owner] = owner - units;
      countries[farm.country] = country - units;
      place(at + 1, placed + units, cost + farm.cost * BigInt(units));
    }
    owners[farm.owner] = owner;
    countries[farm.country] = country;
  };
  place(0, 0, 0n);
  return best;
}

test('a flow places as many as can be, at the least cost', () => {
  const property = fc.property(questions, ({ count, farms, owners, countries }) => {
    const flow = cheapestFlow({
      ...{ count, farms },
      ownerRoom: (owner) => owners[owner] ?? 0,
      countryRoom: (country) => countries[country] ?? 0,
    });
    const units = flow.units.reduce((sum, one) => sum + one, 0);
    assert.equal(units, flow.placed);
    for (const [place, room] of owners.entries()) {
      const own = flow.units.filter((_one, at) => farms[at]?.owner === place);
      assert.ok(own.reduce((sum, one) => sum + one, 0) <= room);
    }
    const best = bruteForce(farms, { count, owners: [...owners], countries: [...countries] });
    assert.deepEqual([flow.placed, flow.cost], best);
  });
  fc.assert(property, { numRuns: 1_000 });
});

test('a unit makes way for another where that is cheaper in all', () => {
  // The first unit goes to the cheapest farm; the second would have to go to the dearest then.
  const farms = [
    { owner: 0, country: 0, room: 1, cost: 4n },
    { owner: 0, country: 1, room: 1, cost: 5n },
    { owner: 1, country: 0, room: 1, cost: 6n },
    { owner: 1, country: 1, room: 1, cost: 9n },
  ];
  const one = () => 1;
  const flow = cheapestFlow({ count: 2, farms, ownerRoom: one, countryRoom: one });
  assert.deepEqual(flow, { units: [0, 1, 1, 0], placed: 2, cost: 11n });
});
