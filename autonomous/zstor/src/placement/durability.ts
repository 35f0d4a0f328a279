/** What is known or assumed of nodes. */
export interface NodeFigures {
  /** Part of the nodes that is lost for good in a year, 0 to 1. */
  readonly yearlyLoss: number;
  /** From the loss of a shard until it is made again, hours. */
  readonly repairHours: number;
  /** Part of the time that a node answers, 0 to 1. */
  readonly uptime: number;
  /** Shards that must be missing before repair begins. Default 1: at once. */
  readonly repairFromLost?: number;
}

export interface CodeShape {
  readonly dataShards: number;
  readonly parityShards: number;
}

const hoursOfYear = 365.25 * 24;

/**
 * Probability that a chunk of some age is lost within a year, nodes failing independently: a Markov
 * chain over the shards that are missing. From i to i + 1 at (n - i) times the rate of a node; from i
 * to 0 at one repair, which makes all of them again. At m + 1 the chunk is lost, and another takes its
 * place: how often that happens in the long run is exact, out of the balance of what enters and leaves
 * each state.
 */
export function yearlyChunkLoss(
  { dataShards, parityShards }: CodeShape,
  { yearlyLoss, repairHours, repairFromLost = 1 }: NodeFigures,
): number {
  const shardCount = dataShards + parityShards;
  const lossRate = -Math.log1p(-Math.min(yearlyLoss, 1 - Number.EPSILON));
  const repairRate = hoursOfYear / repairHours;
  // How likely a state is, as a multiple of the first one; and all of them together.
  let state = 1;
  let all = 1;
  for (let missing = 1; missing <= parityShards; missing++) {
    const enters = (shardCount - missing + 1) * lossRate;
    const repair = missing >= repairFromLost ? repairRate : 0;
    state *= enters / ((shardCount - missing) * lossRate + repair);
    all += state;
  }
  return -Math.expm1(-(state / all) * dataShards * lossRate);
}

/** Probability that more than m of k + m nodes are away at a moment. */
export function unavailability(
  { dataShards, parityShards }: CodeShape,
  { uptime }: Pick<NodeFigures, 'uptime'>,
): number {
  const shardCount = dataShards + parityShards;
  const away = 1 - uptime;
  if (away <= 0) return 0;
  if (uptime <= 0) return 1;
  let sum = 0;
  for (let down = parityShards + 1; down <= shardCount; down++) {
    const ways = logChoose(shardCount, down);
    sum += Math.exp(ways + down * Math.log(away) + (shardCount - down) * Math.log(uptime));
  }
  return Math.min(1, sum);
}

function logChoose(n: number, k: number): number {
  let sum = 0;
  for (let i = 1; i <= k; i++) sum += Math.log((n - k + i) / i);
  return sum;
}
