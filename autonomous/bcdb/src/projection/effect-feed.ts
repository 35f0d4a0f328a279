import type { EffectBatch } from '../state/effect.ts';
import { payloadBytesOf } from './batch-message.ts';
import type { ProjectionService } from './projection-service.ts';

/** Records that wait for the projection; when there are more, it reads them from the log instead. */
const waitingRecordsMax = 50_000;

/** Bytes of payloads that wait for the projection, as with the records. */
const waitingBytesMax = 64 << 20;

/** Records that are handed over together, at most. */
const handedRecordsMax = 1000;

/** Bytes of payloads that are handed over together; one batch of the log can have more. */
const handedBytesMax = 4 << 20;

interface WaitingBatch {
  readonly batch: EffectBatch;
  readonly payloadBytes: number;
}

/**
 * Hands what the log did to the projection, and never lets the log wait for it. What comes while the
 * projection is busy is handed over as one: it pays for each transaction.
 */
export class EffectFeed {
  readonly #projection: ProjectionService;
  #waiting: WaitingBatch[] = [];
  #waitingRecords = 0;
  #waitingBytes = 0;
  #feeding: Promise<void> | undefined;

  constructor(projection: ProjectionService) {
    this.#projection = projection;
  }

  /** Resolves when the projection has taken enough for more to be welcome; nobody has to wait. */
  async push(batch: EffectBatch): Promise<void> {
    this.#add(batch);
    if (this.#fill > 1) {
      // The projection sees the gap and catches up from the log.
      this.#clear();
      this.#add(batch);
    }
    this.#feeding ??= this.#feed();
    if (this.#fill > 0.5) await this.#feeding;
  }

  /** How much waits, as a part of what may. */
  get #fill(): number {
    return Math.max(this.#waitingRecords / waitingRecordsMax, this.#waitingBytes / waitingBytesMax);
  }

  #add(batch: EffectBatch): void {
    const payloadBytes = payloadBytesOf(batch.effects);
    this.#waiting.push({ batch, payloadBytes });
    this.#waitingRecords += batch.size - batch.from;
    this.#waitingBytes += payloadBytes;
  }

  #clear(): void {
    this.#waiting = [];
    this.#waitingRecords = 0;
    this.#waitingBytes = 0;
  }

  async #feed(): Promise<void> {
    try {
      for (let batch = this.#next(); batch !== undefined; batch = this.#next()) {
        await this.#projection.apply(batch);
      }
    } catch {
      // It stands still, says so to its owner and to every reader; the log goes on.
      this.#clear();
    } finally {
      this.#feeding = undefined;
    }
  }

  /** As much of what waits as goes into one transaction. */
  #next(): EffectBatch | undefined {
    const first = this.#waiting[0]?.batch;
    if (first === undefined) return undefined;
    const group: EffectBatch[] = [];
    let groupBytes = 0;
    for (const { batch, payloadBytes } of this.#waiting) {
      const isFull =
        batch.size - first.from > handedRecordsMax || groupBytes + payloadBytes > handedBytesMax;
      if (group.length > 0 && isFull) break;
      group.push(batch);
      groupBytes += payloadBytes;
    }
    this.#waiting.splice(0, group.length);
    const last = group.at(-1) ?? first;
    this.#waitingRecords -= last.size - first.from;
    this.#waitingBytes -= groupBytes;
    if (group.length === 1) return first;
    const { size, root } = last;
    return { from: first.from, size, root, effects: group.flatMap(({ effects }) => effects) };
  }
}
