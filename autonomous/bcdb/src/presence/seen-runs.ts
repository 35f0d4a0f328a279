import { presenceGapsMax } from '@commongrid/model';

/** Runs of heartbeats of one node that wait to be logged; beyond it the node counts as absent. */
export const runsMax = 512;

/** From the first to the last of some heartbeats that came without a gap. */
export interface Run {
  readonly fromMs: number;
  readonly toMs: number;
}

/** A run and its session. */
export interface SeenRun extends Run {
  readonly session: number;
}

/** What one summary can tell: runs of one session, in order. */
export interface SeenSpan {
  readonly session: number;
  readonly runs: readonly Run[];
}

/** When a node was seen and that is not logged yet. Times are those of a monotonic clock, ms. */
export class SeenRuns {
  readonly #gapMs: number;
  #runs: SeenRun[];

  /**
   * @param gapMs two heartbeats further apart than this are not of one run
   * @param runs what is known already, in order
   */
  constructor(gapMs: number, runs: readonly SeenRun[] = []) {
    this.#gapMs = gapMs;
    this.#runs = [...runs];
  }

  /** All of them, in order. */
  get runs(): readonly SeenRun[] {
    return this.#runs;
  }

  /** More than one summary can tell. */
  get isMany(): boolean {
    return this.#runs.length > runsPerSpanMax;
  }

  /** Whether a heartbeat at `nowMs` would begin a run of its own. */
  isSilent(nowMs: number): boolean {
    const last = this.#runs.at(-1);
    return last === undefined || nowMs - last.toMs > this.#gapMs;
  }

  see(session: number, atMs: number): void {
    const last = this.#runs.at(-1);
    const goesOn = last?.session === session && atMs - last.toMs <= this.#gapMs;
    if (goesOn) this.#runs[this.#runs.length - 1] = { ...last, toMs: atMs };
    else if (this.#runs.length < runsMax) this.#runs.push({ session, fromMs: atMs, toMs: atMs });
  }

  /** The oldest time up to `untilMs` that one summary can tell; undefined when there is none. */
  next(untilMs: number): SeenSpan | undefined {
    const told = this.#runs.flatMap((run) => {
      const toMs = Math.min(run.toMs, untilMs);
      // One heartbeat alone is a moment, not a time.
      return run.fromMs < toMs ? [{ ...run, toMs }] : [];
    });
    const session = told[0]?.session;
    if (session === undefined) return undefined;
    const other = told.findIndex((run) => run.session !== session);
    const ofSession = other === -1 ? told : told.slice(0, other);
    const runs = ofSession.slice(0, runsPerSpanMax);
    return { session, runs: runs.map(({ fromMs, toMs }) => ({ fromMs, toMs })) };
  }

  /** Forgets what was before `atMs`; the last run can still go on from there. */
  cut(atMs: number): void {
    const last = this.#runs.length - 1;
    this.#runs = this.#runs.flatMap((run, index) => {
      if (run.toMs > atMs) return [{ ...run, fromMs: Math.max(run.fromMs, atMs) }];
      return index === last ? [{ ...run, fromMs: run.toMs }] : [];
    });
  }

  /** Whether nothing is left to tell, and a heartbeat at `nowMs` would begin a run of its own. */
  isOver(nowMs: number): boolean {
    const last = this.#runs.at(-1);
    if (last === undefined) return true;
    return this.#runs.length === 1 && last.fromMs === last.toMs && this.isSilent(nowMs);
  }
}

/** Runs of presence in one summary: one more than it has room for gaps. */
const runsPerSpanMax = presenceGapsMax + 1;
