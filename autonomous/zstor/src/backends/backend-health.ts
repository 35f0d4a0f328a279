import type { BackendState } from './backend.ts';

/** So long without an answer, and what a backend has is made again elsewhere. */
const lostAfterMs = 15 * 60_000;
/** A backend that refused a write is not asked to take another one for so long. */
const refusalMs = 30_000;

/**
 * What is known of a backend from how its commands ended. One failure makes it suspect, which costs
 * nothing: others are asked first, and one answer makes it healthy again.
 */
export class BackendHealth {
  #failingSinceMs: number | undefined;
  #refusesUntilMs = 0;

  state(nowMs: number): BackendState {
    if (this.#failingSinceMs === undefined) return 'healthy';
    return nowMs - this.#failingSinceMs >= lostAfterMs ? 'lost' : 'suspect';
  }

  takesWrites(nowMs: number): boolean {
    return this.#failingSinceMs === undefined && nowMs >= this.#refusesUntilMs;
  }

  answered(): void {
    this.#failingSinceMs = undefined;
  }

  failed(nowMs: number): void {
    this.#failingSinceMs ??= nowMs;
  }

  /** It answers, but not to writes: full, read-only, fenced. */
  refusedWrite(nowMs: number): void {
    this.#refusesUntilMs = nowMs + refusalMs;
  }
}
