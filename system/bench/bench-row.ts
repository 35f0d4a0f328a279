import { median } from './statistics.ts';

/** One measured line of a benchmark. */
export interface BenchRow {
  readonly name: string;
  /** Unit of `ours` and `rival`, such as `op/s`, `B/key`, `s`. */
  readonly unit: string;
  readonly ours: number;
  /** The same work done by the rival in the same run; null without one. */
  readonly rival: number | null;
  /**
   * ours / rival: the median of the ratios of the rounds. Where less is better, rival / ours.
   */
  readonly ratio: number | null;
  /** What `must` and `aim` bound: the ratio from below, or `ours` from one side. */
  readonly rule: 'ratio' | 'at least' | 'at most';
  /** Null for a row that is only shown. */
  readonly must: number | null;
  readonly aim: number | null;
  /** True when `must` is reached, or when there is none. */
  readonly met: boolean;
  /** More figures of the row, such as CPU per operation, in words. */
  readonly note?: string;
}

export interface BenchOptions {
  /** Times that each side is measured; at least 3. */
  readonly rounds: number;
  /** Shorter runs over less data, to see that the benchmark works: its figures mean little. */
  readonly isQuick?: boolean;
  /** Only rows whose name holds this text. */
  readonly only?: string;
  /** Fires when the user gives up. */
  readonly signal: AbortSignal;
  /** Tells the user what is being measured. */
  readonly note: (text: string) => void;
}

/** What a `*.bench.ts` file exports. */
export interface BenchModule {
  run(options: BenchOptions): Promise<BenchRow[]>;
}

interface RowFacts {
  readonly name: string;
  readonly unit: string;
  readonly must?: number;
  readonly aim?: number;
  readonly note?: string;
}

/**
 * A row against the rival, round by round: more is better. What slows the machine during a round
 * slows both sides, so each round has its own ratio, and the row has their median.
 */
export function ratioRow(
  facts: RowFacts & { readonly ours: readonly number[]; readonly rival: readonly number[] },
): BenchRow {
  const ours = median(facts.ours);
  const rival = median(facts.rival);
  const ratio = median(facts.ours.map((value, round) => value / (facts.rival[round] ?? NaN)));
  const met = facts.must === undefined || ratio >= facts.must;
  return { ...commonOf(facts), ours, rival, ratio, rule: 'ratio', met };
}

/** A row of what something costs beside the rival: less is better. */
export function costRow(
  facts: RowFacts & { readonly ours: number; readonly rival: number },
): BenchRow {
  const { ours, rival, must } = facts;
  const ratio = rival / ours;
  const met = must === undefined || ratio >= must;
  return { ...commonOf(facts), ours, rival, ratio, rule: 'ratio', met };
}

/** A row whose value must not be above `must`. */
export function atMostRow(facts: RowFacts & { readonly ours: number }): BenchRow {
  const met = facts.must === undefined || facts.ours <= facts.must;
  return { ...commonOf(facts), ours: facts.ours, rival: null, ratio: null, rule: 'at most', met };
}

/** A row whose value must not be below `must`. */
export function atLeastRow(facts: RowFacts & { readonly ours: number }): BenchRow {
  const met = facts.must === undefined || facts.ours >= facts.must;
  return { ...commonOf(facts), ours: facts.ours, rival: null, ratio: null, rule: 'at least', met };
}

function commonOf(
  facts: RowFacts,
): Pick<BenchRow, 'name' | 'unit' | 'must' | 'aim'> & { note?: string } {
  const { name, unit, must = null, aim = null, note } = facts;
  return { name, unit, must, aim, ...(note === undefined ? {} : { note }) };
}
