import { GridError } from '@commongrid/base';
import type { ZstorErrorCode } from '../errors.ts';
import { lossesSurvived, survives } from './placement-rules.ts';
import type { Candidate, PlacementRules } from './placement-rules.ts';
import { inPreference } from './rendezvous.ts';

export interface Placement {
  /** The backend of each shard, by index. */
  readonly backends: readonly Candidate[];
  /**
   * There were too few nodes for k + m, or farms for the rules: to be spread again when more are
   * there.
   */
  readonly isDegraded: boolean;
}

/**
 * Chooses the backends of a chunk: distinct nodes, the limits of farms and countries, spares only
 * where the others do not suffice. Where all of them do not, first the limits are given up, then
 * nodes take a second shard, evenly.
 *
 * @throws ZSTOR_BACKENDS_TOO_FEW with fewer than k nodes, or so few that losing one loses the chunk
 */
export function placeShards(
  chunkId: Uint8Array,
  candidates: readonly Candidate[],
  rules: PlacementRules,
): Placement {
  const { dataShards, parityShards } = rules;
  const shardCount = dataShards + parityShards;
  const ordered = inOrder(chunkId, candidates, rules);
  const within = chooseDistinct(ordered, rules, shardCount);
  if (within.length === shardCount) return { backends: within, isDegraded: false };
  const distinct = chooseDistinct(ordered, { dataShards, parityShards }, shardCount);
  if (distinct.length < dataShards) throw tooFewNodes(distinct.length, dataShards);
  const backends = Array.from({ length: shardCount }, (_, index) => {
    return distinct[index % distinct.length];
  }).flatMap((backend) => backend ?? []);
  const nodes = backends.map(({ place }) => place.node);
  if (!survives(nodes, dataShards, lossesSurvived(parityShards, true))) {
    throw tooFewNodes(distinct.length, dataShards);
  }
  return { backends, isDegraded: true };
}

/**
 * Chooses m + 1 backends on nodes of their own for the copies of a small object, or as many as there
 * are.
 * @throws ZSTOR_BACKENDS_TOO_FEW with one node
 */
export function placeCopies(
  chunkId: Uint8Array,
  candidates: readonly Candidate[],
  rules: PlacementRules,
): Placement {
  const copies = { ...rules, dataShards: 1 };
  const { backends, isDegraded } = placeShards(chunkId, candidates, copies);
  const distinct = [...new Map(backends.map((backend) => [backend.place.node, backend])).values()];
  return { backends: distinct, isDegraded };
}

/**
 * Another backend for a shard whose own one fails: the best on a node of its own within the limits,
 * else on any node of its own, else on the node that has the fewest.
 *
 * @param others where the other shards of the chunk are or go to
 * @param failed numbers of backends that are not to be tried
 */
export function replaceShard(
  chunkId: Uint8Array,
  candidates: readonly Candidate[],
  rules: PlacementRules,
  others: readonly Candidate[],
  failed: ReadonlySet<number>,
): { readonly backend: Candidate; readonly isDegraded: boolean } | undefined {
  const { dataShards, parityShards } = rules;
  const left = candidates.filter(({ no }) => !failed.has(no));
  const preferred = inOrder(chunkId, left, rules);
  const [within] = chooseDistinct(preferred, rules, 1, others);
  if (within !== undefined) return { backend: within, isDegraded: false };
  const [distinct] = chooseDistinct(preferred, { dataShards, parityShards }, 1, others);
  if (distinct !== undefined) return { backend: distinct, isDegraded: true };
  const counts = countBy(others, ({ place }) => place.node);
  const [fewest] = preferred.toSorted(
    (a, b) => (counts.get(a.place.node) ?? 0) - (counts.get(b.place.node) ?? 0),
  );
  return fewest === undefined ? undefined : { backend: fewest, isDegraded: true };
}

/** Those that the policy allows, as the chunk prefers them, spares last. */
function inOrder(
  chunkId: Uint8Array,
  candidates: readonly Candidate[],
  { locations }: PlacementRules,
): readonly Candidate[] {
  const allowed = candidates.filter(({ no }) => locations?.includes(no) ?? true);
  return inPreference(chunkId, allowed).toSorted((a, b) => Number(a.isSpare) - Number(b.isSpare));
}

/** The first `count` of them on nodes of their own and within the limits, beside those taken. */
function chooseDistinct(
  ordered: readonly Candidate[],
  { farmShardsMax = Infinity, countryShardsMax = Infinity }: PlacementRules,
  count: number,
  taken: readonly Candidate[] = [],
): Candidate[] {
  const nodes = new Set(taken.map(({ place }) => place.node));
  const farms = countBy(taken, ({ place }) => place.farm);
  const countries = countBy(taken, ({ place }) => place.country);
  const chosen: Candidate[] = [];
  for (const candidate of ordered) {
    if (chosen.length === count) break;
    const { node, farm, country } = candidate.place;
    const inFarm = farms.get(farm) ?? 0;
    const inCountry = countries.get(country) ?? 0;
    if (nodes.has(node) || inFarm >= farmShardsMax || inCountry >= countryShardsMax) continue;
    nodes.add(node);
    farms.set(farm, inFarm + 1);
    countries.set(country, inCountry + 1);
    chosen.push(candidate);
  }
  return chosen;
}

function countBy(
  candidates: readonly Candidate[],
  nameOf: (candidate: Candidate) => string,
): Map<string, number> {
  const counts = new Map<string, number>();
  for (const candidate of candidates) {
    const name = nameOf(candidate);
    counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  return counts;
}

function tooFewNodes(nodeCount: number, dataShards: number): GridError<ZstorErrorCode> {
  return new GridError(
    'ZSTOR_BACKENDS_TOO_FEW',
    `${nodeCount} nodes can take shards, too few for ${dataShards} data shards`,
    {
      hint: 'bring backends back, or add some to the backends file',
      retryable: true,
      details: { nodeCount, dataShards },
    },
  );
}
