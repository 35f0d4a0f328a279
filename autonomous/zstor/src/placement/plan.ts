import { unavailability, yearlyChunkLoss } from './durability.ts';
import type { NodeFigures } from './durability.ts';
import type { Candidate, PlacementRules } from './placement-rules.ts';

/** Loss of a chunk in a year from which on a plan warns, and is refused. */
const lossWarning = 1e-9;
const lossRefusal = 1e-5;
/** Part of the time that a chunk cannot be read, likewise. */
const awayWarning = 1e-3;
const awayRefusal = 1e-2;

export interface Plan {
  /** Any so many nodes may be lost. */
  readonly nodesSurvived: number;
  /** Any so many farms, with the worst spread that the rules allow. */
  readonly farmsSurvived: number;
  /** Nodes that can have a shard each: k + m are needed. */
  readonly nodeCount: number;
  /** The same while the limits of farms and countries are kept. */
  readonly placeableCount: number;
  /** Probability that a chunk is lost in a year, nodes failing one by one. */
  readonly yearlyLoss: number;
  /** Part of the time that a chunk cannot be read. */
  readonly unavailability: number;
  /** Stored bytes for each byte. */
  readonly overhead: number;
  readonly verdict: 'suits' | 'warning' | 'refused';
  /** Why, a sentence each, the worst first. */
  readonly reasons: readonly string[];
}

/** What a code is worth on these backends: its real tolerance, and the odds. */
export function planStorage(
  candidates: readonly Candidate[],
  rules: PlacementRules,
  figures: NodeFigures,
): Plan {
  const { dataShards, parityShards } = rules;
  const shardCount = dataShards + parityShards;
  const nodes = nodesOf(candidates, rules);
  const odds = {
    yearlyLoss: yearlyChunkLoss(rules, figures),
    unavailability: unavailability(rules, figures),
  };
  const facts = {
    nodesSurvived: nodes.length < shardCount ? 0 : parityShards,
    farmsSurvived: farmsSurvived(nodes, rules),
    nodeCount: nodes.length,
    placeableCount: placeableCount(nodes, rules),
  };
  const refusals = refusalsOf(facts, odds, shardCount);
  const warnings = warningsOf(facts, odds, figures);
  const verdict = refusals.length > 0 ? 'refused' : warnings.length > 0 ? 'warning' : 'suits';
  const overhead = shardCount / dataShards;
  return { ...facts, ...odds, overhead, verdict, reasons: [...refusals, ...warnings] };
}

type Facts = Pick<Plan, 'nodesSurvived' | 'farmsSurvived' | 'nodeCount' | 'placeableCount'>;
type Odds = Pick<Plan, 'yearlyLoss' | 'unavailability'>;

function refusalsOf(facts: Facts, odds: Odds, shardCount: number): string[] {
  return [
    facts.nodeCount < shardCount
      ? `${shardCount} nodes are needed, there are ${facts.nodeCount}: every write would be degraded`
      : facts.placeableCount < shardCount
        ? `the limits of farms and countries leave room for ${facts.placeableCount} of ${shardCount} shards`
        : undefined,
    odds.yearlyLoss >= lossRefusal
      ? `a chunk is lost in a year with a probability of ${odds.yearlyLoss.toExponential(1)}: take more parity shards, or better nodes`
      : undefined,
    odds.unavailability >= awayRefusal
      ? `a chunk cannot be read for ${percent(odds.unavailability)} of the time: take more parity shards, or better nodes`
      : undefined,
  ].filter((reason) => reason !== undefined);
}

function warningsOf(facts: Facts, odds: Odds, figures: NodeFigures): string[] {
  const isBetween = (value: number, from: number, to: number): boolean =>
    value >= from && value < to;
  return [
    isBetween(odds.yearlyLoss, lossWarning, lossRefusal)
      ? `a chunk is lost in a year with a probability of ${odds.yearlyLoss.toExponential(1)} (nodes lost ${percent(figures.yearlyLoss)} a year, made again in ${figures.repairHours} h)`
      : undefined,
    isBetween(odds.unavailability, awayWarning, awayRefusal)
      ? `a chunk cannot be read for ${percent(odds.unavailability)} of the time`
      : undefined,
    facts.farmsSurvived === 0
      ? 'the loss of one farm can lose data: limit the shards of a farm, and use more farms'
      : undefined,
  ].filter((reason) => reason !== undefined);
}

/** One candidate for each node, spares too: they come in when others leave. */
function nodesOf(candidates: readonly Candidate[], { locations }: PlacementRules): Candidate[] {
  const allowed = candidates.filter(({ no }) => locations?.includes(no) ?? true);
  return [...new Map(allowed.map((candidate) => [candidate.place.node, candidate])).values()];
}

/** Farms by the most shards of a chunk that each can have; their m worst together decide. */
function farmsSurvived(nodes: readonly Candidate[], rules: PlacementRules): number {
  const { dataShards, parityShards, farmShardsMax = Infinity } = rules;
  const inFarms = [...Map.groupBy(nodes, ({ place }) => place.farm).values()]
    .map(({ length }) => Math.min(length, farmShardsMax))
    .toSorted((a, b) => b - a);
  if (nodes.length < dataShards + parityShards) return 0;
  let lost = 0;
  const survived = inFarms.findIndex((shards) => (lost += shards) > parityShards);
  return survived === -1 ? inFarms.length : survived;
}

/** Shards that find a place when farms lie within countries. */
function placeableCount(nodes: readonly Candidate[], rules: PlacementRules): number {
  const { farmShardsMax = Infinity, countryShardsMax = Infinity } = rules;
  const countries = Map.groupBy(nodes, ({ place }) => place.country).values();
  return [...countries].reduce((sum, inCountry) => {
    const farms = Map.groupBy(inCountry, ({ place }) => place.farm).values();
    const inFarms = [...farms].reduce(
      (some, { length }) => some + Math.min(length, farmShardsMax),
      0,
    );
    return sum + Math.min(inFarms, countryShardsMax);
  }, 0);
}

function percent(part: number): string {
  return `${(part * 100).toPrecision(2)} %`;
}
