import { LatencyHistogram } from '@commongrid/base';
import type { Way } from '../actors/caller.ts';

/** How a call ended: with an answer; refused, which is for the caller to mend; or by a fault of this bot. */
export type CallOutcome = 'done' | 'refused' | 'failed';

/** What became of a message that came. `later`: whoever has it brings it again. */
export type ArrivalOutcome = 'taken' | 'replayed' | 'refused' | 'later';

/** Numbers by some labels. */
export class Tally<L extends string> {
  readonly #counts = new Map<string, { readonly labels: Record<L, string>; count: number }>();

  add(labels: Record<L, string>): void {
    const name = JSON.stringify(Object.values(labels));
    const known = this.#counts.get(name);
    if (known === undefined) this.#counts.set(name, { labels, count: 1 });
    else known.count++;
  }

  entries(): Iterable<{ readonly labels: Record<L, string>; readonly count: number }> {
    return this.#counts.values();
  }
}

/** What a bot has done since it started. */
export class BotCounts {
  readonly calls = new Tally<'way' | 'outcome'>();
  readonly methodFaults = new Tally<'method'>();
  /** Letters that left, by what became of them. */
  readonly letters = new Tally<'outcome'>();
  readonly arrivals = new Tally<'outcome'>();
  /** Links that came and were not taken, by the code of the refusal. */
  readonly linksRefused = new Tally<'code'>();
  readonly marketSteps = new Tally<'side' | 'step'>();
  readonly backups = new Tally<'outcome'>();
  readonly #callTimes = new Map<Way, LatencyHistogram>();

  get callTimes(): ReadonlyMap<Way, LatencyHistogram> {
    return this.#callTimes;
  }

  call(way: Way, outcome: CallOutcome, us: number): void {
    this.calls.add({ way, outcome });
    let times = this.#callTimes.get(way);
    if (times === undefined) this.#callTimes.set(way, (times = new LatencyHistogram()));
    times.record(us);
  }
}
