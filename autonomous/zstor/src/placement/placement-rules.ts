import type { BackendPlace } from '../backends/backend.ts';

/** A backend that can take shards now. */
export interface Candidate {
  readonly no: number;
  readonly place: BackendPlace;
  readonly isSpare: boolean;
  readonly freeBytes: number;
}

/** What a policy says about where shards go. */
export interface PlacementRules {
  /** k */
  readonly dataShards: number;
  /** m */
  readonly parityShards: number;
  /** Most shards of a chunk in one farm: what a farm that fails takes away. Default: any. */
  readonly farmShardsMax?: number | undefined;
  /** The same for a country. */
  readonly countryShardsMax?: number | undefined;
  /** Numbers of the backends that may be used, spares or not. Default: all. */
  readonly locations?: readonly number[] | undefined;
}

/** How many nodes may be lost when a write is acknowledged: ceil(m / 2), or 1 where too few are there. */
export function lossesSurvived(parityShards: number, isDegraded: boolean): number {
  return isDegraded ? 1 : Math.ceil(parityShards / 2);
}

/**
 * Whether k shards are left after the loss of any `losses` nodes.
 * @param nodes the node of each shard that is on disk
 */
export function survives(nodes: Iterable<string>, dataShards: number, losses: number): boolean {
  const counts = new Map<string, number>();
  let total = 0;
  for (const node of nodes) {
    counts.set(node, (counts.get(node) ?? 0) + 1);
    total++;
  }
  const worst = [...counts.values()].toSorted((a, b) => b - a).slice(0, losses);
  return total - worst.reduce((sum, count) => sum + count, 0) >= dataShards;
}
