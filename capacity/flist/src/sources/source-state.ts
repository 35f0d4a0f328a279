import { LatencyHistogram } from '@commongrid/base';
import type { Clock, Random } from '@commongrid/base';

import type { ChunkHash, ChunkSource } from '../ports.ts';

/** Chunks whose hash begins with digits from `from` to `to`, both included: `00` to `7f`. */
export interface HashRange {
  readonly from: string;
  readonly to: string;
}

/** Something that happened with a source, for a log and for people. */
export type SourceEvent =
  | {
      readonly kind: 'chunk-refused';
      readonly source: string;
      readonly hash: ChunkHash;
      readonly reason: string;
    }
  | { readonly kind: 'source-slow'; readonly source: string; readonly waitedMs: number }
  | {
      readonly kind: 'source-paused';
      readonly source: string;
      readonly reason: string;
      readonly pauseMs: number;
    };

export interface SourceTiming {
  /** A source without measured times that is silent for so long is not waited for alone. */
  readonly hedgeAfterMs: number;
  readonly clock: Clock;
  readonly random: Random;
}

/** Least silence after which another source is asked too, however fast a source was. */
const hedgeAfterMsMin = 200;

/** Silences that are measured before they count. */
const hedgeSamplesMin = 20;

const firstPauseMs = 250;

/** Longest time for which a source that fails again and again is left alone. */
const pauseMsMax = 30_000;

/** What is known of one source: how fast it is, and whether it is left alone for now. */
export class SourceState {
  readonly source: ChunkSource;
  readonly #ranges: readonly HashRange[] | undefined;
  readonly #timing: SourceTiming;
  readonly #silences = new LatencyHistogram();
  #failures = 0;
  #pausedUntilMs = -Infinity;
  /** Why it failed last; undefined once it answered again. */
  lastFailure: string | undefined;

  constructor(source: ChunkSource, ranges: readonly HashRange[] | undefined, timing: SourceTiming) {
    this.source = source;
    this.#ranges = ranges;
    this.#timing = timing;
  }

  get isPaused(): boolean {
    return this.#timing.clock.monotonicMs() < this.#pausedUntilMs;
  }

  has(hash: ChunkHash): boolean {
    if (this.#ranges === undefined) return true;
    return this.#ranges.some(
      ({ from, to }) => hash.slice(0, from.length) >= from && hash.slice(0, to.length) <= to,
    );
  }

  /** Three times what it stays silent for in 95 of 100 cases. */
  get hedgeAfterMs(): number {
    const { hedgeAfterMs } = this.#timing;
    if (this.#silences.count < hedgeSamplesMin) return hedgeAfterMs;
    const usualMs = this.#silences.percentile(95) / 1000;
    return Math.min(hedgeAfterMs, Math.max(hedgeAfterMsMin, 3 * usualMs));
  }

  noteSilence(ms: number): void {
    this.#silences.record(ms * 1000);
  }

  noteSuccess(): void {
    this.#failures = 0;
    this.lastFailure = undefined;
  }

  /** Leaves it alone for a while, longer each time. Returns for how long. */
  noteFailure(reason: string): number {
    const { clock, random } = this.#timing;
    const fullMs = Math.min(pauseMsMax, firstPauseMs * 2 ** this.#failures);
    const pauseMs = Math.round(fullMs * (1 - 0.5 * random.float()));
    this.#failures = Math.min(this.#failures + 1, 16);
    this.#pausedUntilMs = clock.monotonicMs() + pauseMs;
    this.lastFailure = reason;
    return pauseMs;
  }
}
