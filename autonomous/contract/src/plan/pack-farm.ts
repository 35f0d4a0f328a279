import { Occupancy } from './problem.ts';
import type { Problem } from './problem.ts';

/** Steps of the search for a way to pack a farm. */
const packStepsMax = 20_000;

export type Packing =
  | { readonly is: 'packed'; readonly nodes: readonly (readonly number[])[] }
  /** `isProven`: there is no way; else none was found in time. */
  | { readonly is: 'tooFull'; readonly isProven: boolean };

/**
 * Puts units, so many of each kind, on the nodes of one farm. Nodes that come first are liked better.
 * First each unit goes to the node that has the fewest; when that does not come out, all ways are tried.
 * @param nodes of the farm
 */
export function packFarm(
  problem: Problem,
  nodes: readonly number[],
  counts: readonly number[],
): Packing {
  const kinds = counts.flatMap((count, kind) => (count > 0 ? [kind] : []));
  // What takes most of a node first.
  const order = kinds.toSorted((a, b) => roomiest(problem, nodes, a) - roomiest(problem, nodes, b));
  return spreadOut(problem, nodes, counts, order) ?? tryAll(problem, nodes, counts, order);
}

function roomiest(problem: Problem, nodes: readonly number[], kind: number): number {
  const empty = new Occupancy(problem);
  return nodes.reduce((most, node) => Math.max(most, empty.nodeRoom(kind, node)), 0);
}

function spreadOut(
  problem: Problem,
  nodes: readonly number[],
  counts: readonly number[],
  order: readonly number[],
): Packing | undefined {
  const occupancy = new Occupancy(problem);
  const placed: number[][] = counts.map(() => []);
  const load = new Map<number, number>();
  for (const { node } of problem.kept ?? []) load.set(node, (load.get(node) ?? 0) + 1);
  for (const kind of order) {
    for (let unit = 0; unit < (counts[kind] ?? 0); unit++) {
      let best: number | undefined;
      for (const node of nodes) {
        if (occupancy.nodeRoom(kind, node) === 0) continue;
        if (best === undefined || (load.get(node) ?? 0) < (load.get(best) ?? 0)) best = node;
      }
      if (best === undefined) return undefined;
      occupancy.add(kind, best, 1);
      placed[kind]?.push(best);
      load.set(best, (load.get(best) ?? 0) + 1);
    }
  }
  return { is: 'packed', nodes: placed };
}

/** Unit by unit; of nodes that are alike one is tried, and units of a kind go forward only. */
function tryAll(
  problem: Problem,
  nodes: readonly number[],
  counts: readonly number[],
  order: readonly number[],
): Packing {
  const units = order.flatMap((kind) => Array.from({ length: counts[kind] ?? 0 }, () => kind));
  const occupancy = new Occupancy(problem);
  const placed: number[][] = counts.map(() => []);
  let steps = 0;
  const place = (unit: number, from: number): boolean => {
    const kind = units[unit];
    if (kind === undefined) return true;
    if (!fits(occupancy, nodes, units, unit)) return false;
    const tried = new Set<string>();
    for (let at = from; at < nodes.length; at++) {
      const node = nodes[at] ?? -1;
      if (occupancy.nodeRoom(kind, node) === 0) continue;
      const standing = occupancy.standing(node);
      if (tried.has(standing)) continue;
      tried.add(standing);
      if (++steps > packStepsMax) return false;
      occupancy.add(kind, node, 1);
      placed[kind]?.push(node);
      if (place(unit + 1, units[unit + 1] === kind ? at : 0)) return true;
      placed[kind]?.pop();
      occupancy.add(kind, node, -1);
    }
    return false;
  };
  if (place(0, 0)) return { is: 'packed', nodes: placed };
  return { is: 'tooFull', isProven: steps <= packStepsMax };
}

/** Whether each kind alone would still find room for what is left of it. */
function fits(
  occupancy: Occupancy,
  nodes: readonly number[],
  units: readonly number[],
  from: number,
): boolean {
  const left = new Map<number, number>();
  for (const kind of units.slice(from)) left.set(kind, (left.get(kind) ?? 0) + 1);
  return [...left].every(([kind, count]) => {
    return nodes.reduce((sum, node) => sum + occupancy.nodeRoom(kind, node), 0) >= count;
  });
}
