import type { Backend } from '../backends/backend.ts';
import type { Backends } from '../blob/shard-spread.ts';

/** A backend that does not answer for so long has lost what it had, until it is back. */
const lostAfterMs = 15 * 60_000;
/** The same for chunks that the next loss would end: shorter than any start of a server. */
const urgentAfterMs = 5_000;
/** One that has left the backends file may have left it by mistake. */
const goneAfterMs = 60_000;

/**
 * What care makes of a backend. `good`: has what records say. `draining`: the same, to be moved away.
 * `away`: may be back soon. `overdue`: is away for long enough that urgent chunks do not wait for it.
 * `lost`: what it had is made again elsewhere.
 */
export type BackendClass = 'good' | 'draining' | 'away' | 'overdue' | 'lost';

export interface BackendTimes {
  /** Default 15 min. */
  readonly lostAfterMs?: number;
  /** Default 5 s. */
  readonly urgentAfterMs?: number;
  /** Default 1 min. */
  readonly goneAfterMs?: number;
}

/** Keeps since when backends are away. */
export class BackendView {
  readonly #times: Required<BackendTimes>;
  readonly #awaySinceMs = new Map<number, number>();
  /** Nobody is waited for any longer than an urgent chunk would wait. */
  isHurried = false;
  #classes = new Map<number, BackendClass>();
  #writable: readonly Backend[] = [];

  constructor(times: BackendTimes = {}) {
    this.#times = { lostAfterMs, urgentAfterMs, goneAfterMs, ...times };
  }

  /** Backends that take shards now. */
  get writable(): readonly Backend[] {
    return this.#writable;
  }

  /** Changes when a class does, or who takes shards. */
  get signature(): string {
    const classes = [...this.#classes].map(([no, kind]) => `${no}${kind}`).join();
    return `${classes}/${this.#writable.map(({ no }) => no).join()}`;
  }

  /** One that no store ever had, or that was emptied, has nothing. */
  classOf(no: number): BackendClass {
    return this.#classes.get(no) ?? 'lost';
  }

  /**
   * @param numbers of all that records may name and that were not emptied
   * @param draining those that are to be emptied
   */
  look(
    backends: Backends,
    numbers: Iterable<number>,
    draining: ReadonlySet<number>,
    nowMs: number,
  ): void {
    const classes = new Map<number, BackendClass>();
    for (const no of numbers) {
      const backend = backends.byNo(no);
      if (backend?.state === 'healthy') {
        this.#awaySinceMs.delete(no);
        classes.set(no, draining.has(no) ? 'draining' : 'good');
      } else {
        classes.set(no, this.#awayClass(no, backend, nowMs));
      }
    }
    this.#classes = classes;
    this.#writable = backends.all.filter(({ isWritable }) => isWritable);
  }

  #awayClass(no: number, backend: Backend | undefined, nowMs: number): BackendClass {
    const sinceMs = this.#awaySinceMs.get(no) ?? nowMs;
    this.#awaySinceMs.set(no, sinceMs);
    const awayMs = nowMs - sinceMs;
    const { lostAfterMs: lostMs, goneAfterMs: goneMs, urgentAfterMs: urgentMs } = this.#times;
    const waitMs = backend === undefined ? Math.min(goneMs, lostMs) : lostMs;
    if (awayMs >= (this.isHurried ? Math.min(urgentMs, waitMs) : waitMs)) return 'lost';
    return awayMs >= urgentMs ? 'overdue' : 'away';
  }
}
