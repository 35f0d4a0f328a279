import type { EffectBatch } from '../state/effect.ts';
import type { ProjectionService } from './projection-service.ts';

/** Batches that wait for the projection; when there are more, it reads them from the log instead. */
export const waitingBatchesMax = 32;

/** Hands the batches of the log to the projection, one after the other, and never waits for it. */
export class EffectFeed {
  readonly #projection: ProjectionService;
  #waiting: EffectBatch[] = [];
  #isFeeding = false;

  constructor(projection: ProjectionService) {
    this.#projection = projection;
  }

  push(batch: EffectBatch): void {
    this.#waiting.push(batch);
    // The projection sees the gap and catches up from the log.
    if (this.#waiting.length > waitingBatchesMax) this.#waiting = this.#waiting.slice(-1);
    if (!this.#isFeeding) void this.#feed();
  }

  async #feed(): Promise<void> {
    this.#isFeeding = true;
    try {
      for (let batch = this.#waiting.shift(); batch !== undefined; batch = this.#waiting.shift()) {
        await this.#projection.apply(batch);
      }
    } catch {
      // It stands still, says so to its owner and to every reader; the log goes on.
      this.#waiting = [];
    } finally {
      this.#isFeeding = false;
    }
  }
}
