export interface RestartLimits {
  readonly firstPauseMs: number;
  readonly maxPauseMs: number;
  /** A life longer than this counts as healthy: the next pause is the first one again. */
  readonly healthyMs: number;
  /** More crashes than this within `windowMs`, and the service is given up. */
  readonly maxRestarts: number;
  readonly windowMs: number;
}

export const restartLimits: RestartLimits = {
  firstPauseMs: 100,
  maxPauseMs: 30_000,
  healthyMs: 60_000,
  maxRestarts: 10,
  windowMs: 600_000,
};

/** Decides how long to wait before a crashed service is started again, and when to give up. */
export class RestartPolicy {
  readonly #limits: RestartLimits;
  #pauseMs = 0;
  #crashesMs: number[] = [];

  constructor(limits: RestartLimits = restartLimits) {
    this.#limits = limits;
  }

  /** The pause before the next start; undefined when it has crashed too often. */
  nextPauseMs(livedMs: number, nowMs: number): number | undefined {
    const { firstPauseMs, maxPauseMs, healthyMs, maxRestarts, windowMs } = this.#limits;
    this.#crashesMs = [...this.#crashesMs.filter((crashMs) => nowMs - crashMs < windowMs), nowMs];
    if (this.#crashesMs.length > maxRestarts) return undefined;
    const isFresh = livedMs > healthyMs || this.#pauseMs === 0;
    this.#pauseMs = isFresh ? firstPauseMs : Math.min(maxPauseMs, this.#pauseMs * 2);
    return this.#pauseMs;
  }
}
