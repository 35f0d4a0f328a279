import { cheapestFlow } from './cheapest-flow.ts';
import { nodesInFarms, Occupancy } from './problem.ts';
import type { Choice, Problem } from './problem.ts';

/** Kinds of which all orders are tried; with more, some orders that tend to do. */
const permutedMax = 4;

/**
 * Choices that are found by placing kinds one after another, each at its cheapest in the room that the
 * former ones leave: good ones, soon. None where no order comes out.
 */
export function* firstChoices(problem: Problem): Generator<Choice> {
  for (const order of ordersOf(problem)) {
    const choice = placeInOrder(problem, order);
    if (choice !== undefined) yield choice;
  }
}

function ordersOf({ kinds, nodes }: Problem): readonly (readonly number[])[] {
  const all = [...kinds.keys()];
  if (all.length <= permutedMax) return permutations(all);
  const suiting = new Map(all.map((kind) => [kind, suitingNodes(kind)]));
  function suitingNodes(kind: number): number {
    return nodes.keys().reduce((sum, node) => sum + Number(kinds[kind]?.suits[node] === true), 0);
  }
  const byChoice = all.toSorted((a, b) => (suiting.get(a) ?? 0) - (suiting.get(b) ?? 0));
  const bySize = all.toSorted((a, b) => sizeOf(b) - sizeOf(a));
  function sizeOf(kind: number): number {
    const { need = [] } = kinds[kind] ?? {};
    return Math.max(0, ...need.map((one, at) => one / largest(at)));
  }
  function largest(at: number): number {
    return nodes.reduce((most, { free }) => Math.max(most, free[at] ?? 0), 1);
  }
  return [byChoice, bySize, bySize.toReversed(), all];
}

function placeInOrder(problem: Problem, order: readonly number[]): Choice | undefined {
  const occupancy = new Occupancy(problem);
  const choice: number[][] = problem.kinds.map(() => []);
  const inFarms = nodesInFarms(problem);
  for (const kind of order) {
    const { count = 0, costs = [] } = problem.kinds[kind] ?? {};
    const farms = problem.farms.flatMap(({ owner, country }, farm) => {
      const cost = costs[farm];
      if (cost === undefined) return [];
      const nodes = inFarms.get(farm) ?? [];
      const inNodes = nodes.reduce((sum, node) => sum + occupancy.nodeRoom(kind, node), 0);
      const room = Math.min(inNodes, occupancy.farmRoom(kind, farm));
      return room <= 0 ? [] : [{ farm, owner, country, room, cost }];
    });
    const flow = cheapestFlow({
      ...{ count, farms },
      ownerRoom: (owner) => occupancy.ownerRoom(kind, owner),
      countryRoom: (country) => occupancy.countryRoom(kind, country),
    });
    if (flow.placed < count) return undefined;
    for (const [at, units] of flow.units.entries()) {
      const nodes = inFarms.get(farms[at]?.farm ?? -1) ?? [];
      for (const node of spreadOver(occupancy, kind, nodes, units)) choice[kind]?.push(node);
    }
  }
  return choice;
}

/** Puts units on the nodes of a farm that have room for them, a round over all nodes after the other. */
function* spreadOver(
  occupancy: Occupancy,
  kind: number,
  nodes: readonly number[],
  units: number,
): Generator<number> {
  for (let left = units; left > 0;) {
    const before = left;
    for (const node of nodes) {
      if (left === 0 || occupancy.nodeRoom(kind, node) === 0) continue;
      occupancy.add(kind, node, 1);
      left--;
      yield node;
    }
    if (left === before) throw new Error('a farm has less room than it said');
  }
}

function permutations(all: readonly number[]): readonly (readonly number[])[] {
  if (all.length <= 1) return [all];
  return all.flatMap((first) =>
    permutations(all.filter((one) => one !== first)).map((rest) => [first, ...rest]),
  );
}
