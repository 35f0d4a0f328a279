import type { EffectBatch } from '../state/effect.ts';
import type { ProjectionService } from './projection-service.ts';

/** Records that wait for the projection; when there are more, it reads them from the log instead. */
const waitingRecordsMax = 50_000;

/** Records that are handed over together, at most. */
const handedRecordsMax = 1000;

/**
 * Hands what the log did to the projection, and never lets the log wait for it. What comes while the
 * projection is busy is handed over as one: it pays for each transaction.
 */
export class EffectFeed {
  readonly #projection: ProjectionService;
  #waiting: EffectBatch[] = [];
  #waitingRecords = 0;
  #feeding: Promise<void> | undefined;

  constructor(projection: ProjectionService) {
    this.#projection = projection;
  }

  /** Resolves when the projection has taken enough for more to be welcome; nobody has to wait. */
  async push(batch: EffectBatch): Promise<void> {
    this.#waiting.push(batch);
    this.#waitingRecords += batch.size - batch.from;
    if (this.#waitingRecords > waitingRecordsMax) {
      // The projection sees the gap and catches up from the log.
      this.#waiting = [batch];
      this.#waitingRecords = batch.size - batch.from;
    }
    this.#feeding ??= this.#feed();
    if (this.#waitingRecords > waitingRecordsMax / 2) await this.#feeding;
  }

  async #feed(): Promise<void> {
    try {
      for (let batch = this.#next(); batch !== undefined; batch = this.#next()) {
        await this.#projection.apply(batch);
      }
    } catch {
      // It stands still, says so to its owner and to every reader; the log goes on.
      this.#waiting = [];
      this.#waitingRecords = 0;
    } finally {
      this.#feeding = undefined;
    }
  }

  /** As much of what waits as goes into one transaction. */
  #next(): EffectBatch | undefined {
    const [first] = this.#waiting;
    if (first === undefined) return undefined;
    const group: EffectBatch[] = [];
    for (const batch of this.#waiting) {
      if (group.length > 0 && batch.size - first.from > handedRecordsMax) break;
      group.push(batch);
    }
    this.#waiting.splice(0, group.length);
    const last = group.at(-1) ?? first;
    this.#waitingRecords -= last.size - first.from;
    if (group.length === 1) return first;
    const { size, root } = last;
    return { from: first.from, size, root, effects: group.flatMap(({ effects }) => effects) };
  }
}
