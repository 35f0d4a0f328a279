import type { Clock, Timer } from '../clock.ts';

interface PendingTimer {
  readonly dueMs: number;
  readonly fn: () => void;
}

/** A clock that stands still until a test moves it. */
export class ManualClock implements Clock {
  #nowMs: number;
  #monotonicMs = 0;
  readonly #timers = new Set<PendingTimer>();

  constructor(startMs = 0) {
    this.#nowMs = startMs;
  }

  nowMs(): number {
    return this.#nowMs;
  }

  monotonicMs(): number {
    return this.#monotonicMs;
  }

  setTimer(ms: number, fn: () => void): Timer {
    const timer = { dueMs: this.#monotonicMs + Math.max(0, ms), fn };
    this.#timers.add(timer);
    return { cancel: () => void this.#timers.delete(timer) };
  }

  /** Timers that wait. */
  get timerCount(): number {
    return this.#timers.size;
  }

  /**
   * Moves both clocks on and runs what falls due, in order of time, then of creation. Promises that
   * depend on no I/O settle between two timers, so a loop `await delay(...)` sees each of its steps.
   */
  async advance(ms: number): Promise<void> {
    const endMs = this.#monotonicMs + ms;
    await settle();
    for (let timer = this.#next(endMs); timer !== undefined; timer = this.#next(endMs)) {
      this.#moveTo(timer.dueMs);
      this.#timers.delete(timer);
      timer.fn();
      await settle();
    }
    this.#moveTo(endMs);
  }

  /** Moves the wall clock alone, also backwards, as an operator or NTP does. */
  jump(ms: number): void {
    this.#nowMs += ms;
  }

  #moveTo(monotonicMs: number): void {
    this.#nowMs += monotonicMs - this.#monotonicMs;
    this.#monotonicMs = monotonicMs;
  }

  #next(endMs: number): PendingTimer | undefined {
    let first: PendingTimer | undefined;
    for (const timer of this.#timers) {
      if (timer.dueMs <= endMs && timer.dueMs < (first?.dueMs ?? Infinity)) first = timer;
    }
    return first;
  }
}

/** All microtasks run before the next turn of the event loop. */
function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
