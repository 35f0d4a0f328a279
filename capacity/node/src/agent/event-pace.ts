/** Events of one workload that are told as they come, before it is told to go slow. */
export const burstMax = 50;
/** Then one is told in so long, ms; so long without any gives one back. */
export const paceMs = 5_000;
/** Workloads that are remembered; beyond it all begin anew. */
const workloadsMax = 10_000;

/** How much may be said of each workload: one that ends whenever it is started must not fill the log. */
export class EventPace {
  /** When a workload will have all of its burst again, ms, by a clock that never goes back. */
  readonly #wholeAtMs = new Map<string, number>();

  /** How long nothing more may be said of it, ms. */
  waitMs(workload: string, nowMs: number): number {
    const wholeAtMs = this.#wholeAtMs.get(workload) ?? nowMs;
    return Math.max(0, wholeAtMs + paceMs - burstMax * paceMs - nowMs);
  }

  spend(workload: string, nowMs: number): void {
    if (this.#wholeAtMs.size >= workloadsMax) this.#wholeAtMs.clear();
    const wholeAtMs = this.#wholeAtMs.get(workload) ?? nowMs;
    this.#wholeAtMs.set(workload, Math.max(wholeAtMs, nowMs) + paceMs);
  }
}
