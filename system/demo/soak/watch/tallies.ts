import { median } from '../../../bench/index.ts';
import type { ClientRequest, HealedFault, Spread, WatchFindings } from './watch-types.ts';

/** How long faults took to heal, and clients waited. */
export class Tallies {
  readonly #healing = new Map<string, number[]>();
  readonly #requests = new Map<string, { readonly times: number[]; failed: number }>();

  healed({ kind, healedMs }: HealedFault): void {
    const times = this.#healing.get(kind) ?? [];
    this.#healing.set(kind, times);
    times.push(healedMs);
  }

  request({ kind, tookMs, passed }: ClientRequest): void {
    const own = this.#requests.get(kind) ?? { times: [], failed: 0 };
    this.#requests.set(kind, own);
    own.times.push(tookMs);
    if (!passed) own.failed++;
  }

  /** Faults that healed. */
  get faults(): number {
    return this.#healing.values().reduce((sum, times) => sum + times.length, 0);
  }

  get healing(): WatchFindings['healing'] {
    const all = [...this.#healing].map(([kind, times]) => ({ kind, ...spreadOf(times) }));
    return all.toSorted((a, b) => b.worstMs - a.worstMs);
  }

  get requests(): WatchFindings['requests'] {
    const all = [...this.#requests];
    return all.map(([kind, { times, failed }]) => ({ kind, ...spreadOf(times), failed }));
  }
}

/** @param times of at least one, ms */
function spreadOf(times: readonly number[]): Spread {
  const worstMs = times.reduce((a, b) => Math.max(a, b), 0);
  return { count: times.length, medianMs: median(times), worstMs };
}
