import type { Backend } from '../backends/backend.ts';

/** One shard of a chunk that goes to another backend. */
export interface ShardStep {
  readonly index: number;
  /** Number of the backend. */
  readonly to: number;
}

export interface RoomQuestion {
  /** Where the shards of the chunk are, by index. */
  readonly locations: readonly number[];
  /** Backends that take shards, the best first. */
  readonly candidates: readonly Pick<Backend, 'no' | 'place'>[];
  readonly nodeOf: (no: number) => string | undefined;
  /** Whether a shard can be copied, and may be on that backend. */
  readonly mayGo: (index: number, no: number) => boolean;
}

/**
 * Finds a node of its own for a shard that may be on none of those that are free: another shard, which may, leaves its
 * node to it, and so on. It is the shortest augmenting path of a matching of shards and nodes, so there
 * is a way whenever some order of the shards fits.
 * @param starts shards of which one is to leave its node
 * @returns what goes where, to be done in this order; empty when there is no way
 */
export function makeRoom(
  starts: readonly number[],
  { locations, candidates, nodeOf, mayGo }: RoomQuestion,
): readonly ShardStep[] {
  const nodes = locations.map(nodeOf);
  /** By each shard that is to leave its node, the step that takes its place. */
  const reached = new Map<number, ShardStep | undefined>(starts.map((at) => [at, undefined]));
  // It grows on the way.
  for (const index of reached.keys()) {
    for (const { no, place } of candidates) {
      if (nodes[index] === place.node || !mayGo(index, no)) continue;
      const there = nodes.flatMap((node, at) => (node === place.node ? [at] : []));
      const [only] = there;
      if (only === undefined) return stepsTo({ index, to: no }, reached);
      if (there.length === 1 && !reached.has(only)) reached.set(only, { index, to: no });
    }
  }
  return [];
}

function stepsTo(
  last: ShardStep,
  reached: ReadonlyMap<number, ShardStep | undefined>,
): readonly ShardStep[] {
  const steps = [last];
  for (let step = reached.get(last.index); step; step = reached.get(step.index)) steps.push(step);
  return steps;
}
