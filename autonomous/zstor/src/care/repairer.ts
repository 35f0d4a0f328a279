import { delay, isGridError, TaskGroup } from '@commongrid/base';
import type { Clock, Logger } from '@commongrid/base';
import type { ChunkMender, MendResult } from './chunk-mender.ts';
import { RepairQueue } from './repair-queue.ts';
import type { QueuedChunk } from './repair-queue.ts';

/** Chunks that are mended at a time. */
const repairsMax = 4;
/** Pause of a repair that found no memory, or could not commit. */
const retryMs = 2_000;
/** A chunk that cannot be mended now is tried so often in a row; then it waits for the next survey. */
const triesMax = 3;

export interface RepairCounts {
  /** Chunks that were brought back to k + m, or where they should be. */
  chunks: number;
  /** Shards that were written for it. */
  shards: number;
  /** Bytes that were read and written for it. */
  bytes: number;
  /** Times that a chunk could not be mended, or not wholly. */
  failures: number;
}

export interface RepairerOptions {
  readonly mender: ChunkMender;
  /** Whether this head may change anything just now. */
  readonly isServing: () => boolean;
  readonly onMended: (chunk: QueuedChunk, result: MendResult) => void;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Takes chunks from a queue and mends them, a few at a time. */
export class Repairer implements AsyncDisposable {
  readonly queue = new RepairQueue();
  readonly counts: RepairCounts = { chunks: 0, shards: 0, bytes: 0, failures: 0 };
  readonly #o: RepairerOptions;
  readonly #tasks: TaskGroup;
  /** Chunks that are being mended, and what was found of them meanwhile. */
  readonly #running = new Map<string, Set<number>>();
  #hasNews = false;

  constructor(options: RepairerOptions) {
    this.#o = options;
    this.#tasks = new TaskGroup({
      onError: (err) => options.logger.error({ err }, 'a repair failed'),
    });
  }

  /** Chunks that wait or are being mended. */
  get pending(): number {
    return this.queue.size + this.#running.size;
  }

  /** See `RepairQueue.add`. */
  add(chunkId: Uint8Array, spareShards: number, doubted: readonly number[] = []): void {
    const found = this.#running.get(nameOf(chunkId));
    if (found !== undefined) {
      for (const index of doubted) found.add(index);
      return;
    }
    this.queue.add(chunkId, spareShards, doubted);
    this.#pump();
  }

  /** Whether records were changed since this was last asked, or chunks left out. */
  takeNews(): boolean {
    const hasNews = this.#hasNews;
    this.#hasNews = false;
    return this.queue.takeLeftOut() || hasNews;
  }

  /** Ends what runs, and forgets what waits. */
  async close(): Promise<void> {
    this.queue.clear();
    await this.#tasks.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #pump(): void {
    while (this.#running.size < repairsMax && !this.#tasks.signal.aborted) {
      const chunk = this.queue.take();
      if (chunk === undefined) break;
      this.#running.set(nameOf(chunk.chunkId), new Set());
      this.#tasks.start('repair', (signal) => this.#run(chunk, signal));
    }
  }

  async #run(chunk: QueuedChunk, signal: AbortSignal): Promise<void> {
    const name = nameOf(chunk.chunkId);
    try {
      await this.#mend(chunk, signal);
    } finally {
      const doubted = [...(this.#running.get(name) ?? [])];
      this.#running.delete(name);
      if (doubted.length > 0 && !signal.aborted) this.queue.add(chunk.chunkId, 1, doubted);
      this.#pump();
    }
  }

  async #mend(chunk: QueuedChunk, signal: AbortSignal): Promise<void> {
    const { mender, isServing, onMended, logger, clock } = this.#o;
    for (let attempt = 1; attempt <= triesMax && isServing(); attempt++) {
      try {
        const result = await mender.mend(chunk, signal);
        const { outcome, shards, bytes } = result;
        this.counts.shards += shards;
        this.counts.bytes += bytes;
        // What was deleted meanwhile is no need any more either.
        if (result.isMoved || outcome === 'gone') this.#hasNews = true;
        if (outcome === 'mended') this.counts.chunks++;
        if (outcome === 'partly' || outcome === 'unreadable') this.counts.failures++;
        onMended(chunk, result);
        return;
      } catch (error) {
        if (!isGridError(error) || signal.aborted) throw error;
        logger.debug({ err: error }, 'a chunk is not mended yet');
        await delay(retryMs, { signal, clock });
      }
    }
    this.counts.failures++;
  }
}

function nameOf(chunkId: Uint8Array): string {
  return Buffer.from(chunkId.buffer, chunkId.byteOffset, chunkId.byteLength).toString('latin1');
}
