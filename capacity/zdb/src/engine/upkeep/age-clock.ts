/** What a clock may be ahead of what the folder last knew, and be believed at a start. */
const AHEAD_MS_MAX = 24 * 3_600_000;
/** So long a store runs before it believes a clock that was further ahead when it started. */
const DOUBT_MS = 3_600_000;
/** Part by which believed time may run faster than the monotonic clock, towards the wall clock. */
const GAIN_PART = 0.01;

export interface AgeClockOptions {
  readonly nowMs: () => number;
  readonly monotonicMs: () => number;
  /** The wall clock is more than a day ahead of what is believed. Once, until it is no more. */
  readonly onAhead: (aheadMs: number) => void;
}

/**
 * The time by which the age of history is judged: what is dropped once does not come back when the
 * clock is set right. It is the wall clock, but never after a ceiling that runs on with the monotonic
 * clock. So a jump ahead makes nothing old. The ceiling is kept in the manifest; while the store was
 * closed only the wall clock ran, and a long leap there is believed after an hour.
 */
export class AgeClock {
  readonly #options: AgeClockOptions;
  #isStarted = false;
  #ceilingMs = 0;
  #lookedMs = 0;
  /** The wall clock at a start that was not believed, and the monotonic one. */
  #doubt: { readonly wallMs: number; readonly sinceMs: number } | undefined;
  #isUnknown = false;
  #isReported = false;

  constructor(options: AgeClockOptions) {
    this.#options = options;
  }

  /**
   * Begins with the ceiling that the manifest has; undefined: it does not know one. A store that only
   * opens its files anew goes on.
   */
  start(savedMs: number | undefined): void {
    if (this.#isStarted) return;
    this.#isStarted = true;
    const wallMs = this.#options.nowMs();
    const sinceMs = this.#options.monotonicMs();
    this.#lookedMs = sinceMs;
    this.#isUnknown = savedMs === undefined;
    this.#ceilingMs = savedMs ?? 0;
    if (wallMs - this.#ceilingMs > AHEAD_MS_MAX) this.#doubt = { wallMs, sinceMs };
    else this.#ceilingMs = Math.max(this.#ceilingMs, wallMs);
    this.#report(wallMs);
  }

  /** Time that is believed, ms since 1970. */
  nowMs(): number {
    return Math.min(this.#options.nowMs(), this.#moveCeiling());
  }

  /** How far the wall clock is ahead of it. */
  aheadMs(): number {
    return Math.max(0, this.#options.nowMs() - this.#moveCeiling());
  }

  /** What the manifest shall keep. */
  savedMs(): number | undefined {
    const ceilingMs = this.#moveCeiling();
    return this.#isUnknown ? undefined : Math.floor(ceilingMs);
  }

  #moveCeiling(): number {
    const wallMs = this.#options.nowMs();
    const monotonicMs = this.#options.monotonicMs();
    const elapsedMs = monotonicMs - this.#lookedMs;
    this.#lookedMs = monotonicMs;
    const fastMs = this.#ceilingMs + elapsedMs * (1 + GAIN_PART);
    this.#ceilingMs = Math.max(this.#ceilingMs + elapsedMs, Math.min(wallMs, fastMs));
    if (this.#doubt !== undefined) this.#judgeDoubt(wallMs, monotonicMs - this.#doubt.sinceMs);
    this.#report(wallMs);
    return this.#ceilingMs;
  }

  /** A clock that was set back meanwhile is the better one. */
  #judgeDoubt(wallMs: number, ranMs: number): void {
    if (this.#doubt === undefined || ranMs < DOUBT_MS) return;
    const believedMs = Math.min(wallMs, this.#doubt.wallMs + ranMs);
    this.#ceilingMs = Math.max(this.#ceilingMs, believedMs);
    this.#doubt = undefined;
    this.#isUnknown = false;
  }

  #report(wallMs: number): void {
    const aheadMs = wallMs - this.#ceilingMs;
    const isAhead = aheadMs > AHEAD_MS_MAX && !this.#isUnknown;
    if (isAhead && !this.#isReported) this.#options.onAhead(aheadMs);
    this.#isReported = isAhead;
  }
}
