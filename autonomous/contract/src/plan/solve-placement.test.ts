import assert from 'node:assert/strict';
import { test } from 'node:test';

import fc from 'fast-check';
import { costOf } from './problem.ts';
import type { Choice, Problem } from './problem.ts';
import { solvePlacement } from './solve-placement.ts';
import type { Solution } from './solve-placement.ts';

const max = (limit: number) =>
  fc.option(fc.integer({ min: 1, max: limit }), { nil: Infinity, freq: 2 });
const often = fc.nat({ max: 9 }).map((n) => n > 0);

/** Small problems in which kinds share roles, farms, owners and countries. */
const problems: fc.Arbitrary<Problem> = fc
  .record({
    farms: fc.array(
      fc.record({
        owner: fc.nat({ max: 2 }),
        country: fc.nat({ max: 2 }),
        freeAddresses: fc.nat({ max: 4 }),
      }),
      { minLength: 1, maxLength: 3 },
    ),
    roles: fc.array(
      fc.record({
        perNode: fc.constantFrom(1, Infinity),
        ...{ perFarm: max(3), perOwner: max(4), perCountry: max(4) },
      }),
      { minLength: 1, maxLength: 3 },
    ),
  })
  .chain(({ farms, roles }) =>
    fc.record({
      farms: fc.constant(farms),
      roles: fc.constant(roles),
      nodes: fc.array(
        fc.record({
          farm: fc.nat({ max: farms.length - 1 }),
          free: fc.tuple(fc.integer({ min: 1, max: 5 }), fc.integer({ min: 1, max: 5 })),
        }),
        { minLength: 2, maxLength: 5 },
      ),
    }),
  )
  .chain(({ farms, roles, nodes }) =>
    fc.record({
      ...{ farms: fc.constant(farms), roles: fc.constant(roles), nodes: fc.constant(nodes) },
      kinds: fc.array(
        fc.record({
          count: fc.integer({ min: 1, max: 3 }),
          need: fc.tuple(fc.nat({ max: 3 }), fc.nat({ max: 2 })),
          addresses: often.map((no) => (no ? 0 : 1)),
          roles: fc.uniqueArray(fc.nat({ max: roles.length - 1 }), { minLength: 1 }),
          costs: fc.array(fc.option(fc.bigInt({ min: 0n, max: 5n }), { nil: undefined, freq: 9 }), {
            ...{ minLength: farms.length, maxLength: farms.length },
          }),
          suits: fc.array(often, { minLength: nodes.length, maxLength: nodes.length }),
        }),
        { minLength: 1, maxLength: 3 },
      ),
      kept: fc.array(
        fc.record({
          role: fc.nat({ max: roles.length - 1 }),
          node: fc.nat({ max: nodes.length - 1 }),
        }),
        { maxLength: 3 },
      ),
    }),
  );

/** Holds a choice to every rule, in the plainest words. */
function isSound({ kinds, roles, nodes, farms, kept = [] }: Problem, choice: Choice): boolean {
  const placed = choice.flatMap((places, kind) => places.map((node) => ({ kind, node })));
  const farmOf = (node: number): number => nodes[node]?.farm ?? -1;
  const isFit = placed.every(({ kind, node }) => {
    return kinds[kind]?.suits[node] === true && kinds[kind].costs[farmOf(node)] !== undefined;
  });
  const isWhole = kinds.every(({ count }, kind) => choice[kind]?.length === count);
  const hasRoom = nodes.every(({ free }, node) =>
    free.every((room, at) => {
      const own = placed.filter((one) => one.node === node);
      return own.reduce((sum, { kind }) => sum + (kinds[kind]?.need[at] ?? 0), 0) <= room;
    }),
  );
  const hasAddresses = farms.every(({ freeAddresses }, farm) => {
    const own = placed.filter(({ node }) => farmOf(node) === farm);
    return own.reduce((sum, { kind }) => sum + (kinds[kind]?.addresses ?? 0), 0) <= freeAddresses;
  });
  const isSpread = roles.every(({ perNode, perFarm, perOwner, perCountry }, role) => {
    const own = placed.filter(({ kind }) => kinds[kind]?.roles.includes(role));
    const stay = kept.filter((one) => one.role === role);
    // Where nothing new goes, what stays may be too much already.
    const isWithin = (limit: number, place: (node: number) => unknown): boolean =>
      own.every(({ node }) => {
        const here = [...own, ...stay].filter((one) => place(one.node) === place(node));
        return here.length <= limit;
      });
    return (
      isWithin(perNode, (node) => node) &&
      isWithin(perFarm, farmOf) &&
      isWithin(perOwner, (node) => farms[farmOf(node)]?.owner) &&
      isWithin(perCountry, (node) => farms[farmOf(node)]?.country)
    );
  });
  return isFit && isWhole && hasRoom && hasAddresses && isSpread;
}

/** The least cost of all choices, by trying them all. */
function bruteForce(problem: Problem): bigint | undefined {
  const units = problem.kinds.flatMap(({ count }, kind) =>
    Array.from({ length: count }, () => kind),
  );
  let best: bigint | undefined;
  const choice: number[][] = problem.kinds.map(() => []);
  const place = (unit: number): void => {
    const kind = units[unit];
    if (kind === undefined) {
      const cost = costOf(problem, choice);
      if ((best === undefined || cost < best) && isSound(problem, choice)) best = cost;
      return;
    }
    const from = units[unit - 1] === kind ? (choice[kind]?.at(-1) ?? 0) : 0;
    for (let node = from; node < problem.nodes.length; node++) {
      choice[kind]?.push(node);
      place(unit + 1);
      choice[kind]?.pop();
    }
  };
  place(0);
  return best;
}

/** Problems that are compared. */
const numRuns = process.env['GRID_TEST_LONG'] === '1' ? 5_000 : 300;

test('the choice is sound, and no other costs less', () => {
  fc.assert(
    fc.property(problems, (problem) => {
      const solution = solvePlacement(problem);
      const least = bruteForce(problem);
      if (solution.is === 'none') {
        assert.ok(solution.isProven);
        assert.equal(least, undefined);
        return;
      }
      assert.ok(isSound(problem, solution.choice), 'it breaks a rule');
      assert.equal(solution.cost, costOf(problem, solution.choice));
      assert.equal(solution.cost, least);
      assert.deepEqual([solution.isCheapest, solution.bound], [true, solution.cost]);
    }),
    { numRuns },
  );
});

test('with too few cases the best so far is said with what none can be below', () => {
  fc.assert(
    fc.property(problems, fc.nat({ max: 3 }), (problem, casesMax) => {
      const solution = solvePlacement(problem, { casesMax });
      const least = bruteForce(problem);
      if (solution.is === 'none') {
        assert.ok(!solution.isProven || least === undefined);
        return;
      }
      assert.ok(isSound(problem, solution.choice), 'it breaks a rule');
      assert.ok(least !== undefined && solution.bound <= least && least <= solution.cost);
      if (solution.isCheapest) assert.equal(solution.cost, least);
    }),
    { numRuns },
  );
});

test('kinds that are in the way of each other are told apart by search', () => {
  const farms = [0, 1, 2, 3].map((owner) => ({ owner, country: 0, freeAddresses: 0 }));
  const nodes = farms.map((_farm, farm) => ({ farm, free: [1] }));
  const limits = { perNode: 1, perFarm: 1, perOwner: Infinity, perCountry: Infinity };
  const kind = { count: 2, need: [1], addresses: 0, suits: nodes.map(() => true) };
  // Each likes the first two best; what one loses by going elsewhere the other hardly feels.
  const kinds = [
    { ...kind, roles: [0], costs: [0n, 0n, 1n, 10n] },
    { ...kind, roles: [1], costs: [0n, 0n, 10n, 1n] },
  ];
  const problem = { kinds, roles: [limits, limits], nodes, farms };
  const { cost, isCheapest } = found(solvePlacement(problem));
  assert.deepEqual([cost, isCheapest], [2n, true]);
  const hasty = found(solvePlacement(problem, { casesMax: 0 }));
  assert.deepEqual([hasty.cost, hasty.bound, hasty.isCheapest], [11n, 0n, false]);
});

test('of choices that cost the same the one over more farms is taken', () => {
  const farms = [0, 1, 2, 3].map((owner) => ({ owner, country: 0, freeAddresses: 0 }));
  const nodes = Array.from({ length: 16 }, (_none, node) => ({ farm: node % 4, free: [10] }));
  const limits = { perNode: 1, perFarm: 4, perOwner: Infinity, perCountry: Infinity };
  const kind = { count: 8, need: [1], addresses: 0, roles: [0], costs: [3n, 3n, 3n, 3n] };
  const kinds = [{ ...kind, suits: nodes.map(() => true) }];
  const { choice } = found(solvePlacement({ kinds, roles: [limits], nodes, farms }));
  const perFarm = Map.groupBy(choice[0] ?? [], (node) => node % 4);
  assert.deepEqual(
    [...perFarm.values()].map(({ length }) => length),
    [2, 2, 2, 2],
  );
});

function found(solution: Solution): Solution & { readonly is: 'found' } {
  assert.ok(solution.is === 'found');
  return solution;
}
