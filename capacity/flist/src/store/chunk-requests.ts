import { abortError, GridError, throwIfAborted } from '@commongrid/base';
import type { BaseErrorCode } from '@commongrid/base';

import type { ObjectId } from '../format/object-id.ts';
import type { ChunkHash } from '../ports.ts';
import { batchHashesMax } from '../sources/chunk-frames.ts';
import type { ChunkWant, SourceSet } from '../sources/source-set.ts';

/**
 * Somebody waits for it; somebody who reads a file from front to back will soon; or it is fetched
 * ahead.
 */
export type Priority = 'read' | 'next' | 'ahead';

export interface ChunkRequest extends ChunkWant {
  /** The file whose only chunk it is. */
  readonly object: ObjectId | undefined;
  /** Called once the store has it. Of those who ask for one chunk at a time, the first one's is. */
  readonly onKept?: () => void;
}

export interface FetchedChunk {
  readonly plaintext: Buffer;
  /** Resolves when it is kept, or with why the store could not. */
  readonly kept: Promise<Error | undefined>;
}

export interface ChunkRequestsOptions {
  readonly sources: SourceSet;
  /** Stores a verified chunk. Returns why it could not; never rejects. */
  readonly keep: (request: ChunkRequest, plaintext: Buffer) => Promise<Error | undefined>;
  /** A reader will want it next, and does not wait for it yet. */
  readonly onNext?: ((hash: ChunkHash, plaintext: Uint8Array) => void) | undefined;
}

/** Chunks that are waited for at a time. */
const requestsMax = 100_000;

/** Requests to sources under way for chunks that somebody waits for. */
const readBatchesMax = 6;

/** Those for chunks that a reader will want next. */
const nextBatchesMax = 4;

/** Chunks of one of these: a reader that arrives at one waits for the others. */
const nextBatchChunksMax = 8;

/** Requests for chunks that are fetched ahead. */
const aheadBatchesMax = 2;

/** For how long who reads waits for a chunk that a request ahead may bring, before it asks too. */
const aheadPatienceMs = 100;

/** Requests under way of each kind. */
const batchesMax = { read: readBatchesMax, next: nextBatchesMax, ahead: aheadBatchesMax } as const;
/** Chunks of one of them. */
const batchChunksMax = {
  read: batchHashesMax,
  next: nextBatchChunksMax,
  ahead: batchHashesMax,
} as const;

/** What is more urgent goes first. */
const priorities = ['read', 'next', 'ahead'] as const satisfies readonly Priority[];

interface Waiting {
  request: ChunkRequest;
  readonly outcome: PromiseWithResolvers<FetchedChunk>;
  callers: number;
  /** Batches under way that may bring it. */
  readonly running: Record<Priority, number>;
  /** Ends the patience of who reads. */
  patience: NodeJS.Timeout | undefined;
  /** The most urgent one that was asked with. */
  priority: Priority;
  /** It came, and is being kept. */
  isThere: boolean;
}

/**
 * Fetches each chunk once, however many ask for it, many with one request. Chunks that somebody
 * waits for do not stand in line behind those that are fetched ahead.
 */
export class ChunkRequests {
  readonly #options: ChunkRequestsOptions;
  readonly #waiting = new Map<ChunkKey, Waiting>();
  readonly #queues: Readonly<Record<Priority, Set<ChunkKey>>> = {
    read: new Set(),
    next: new Set(),
    ahead: new Set(),
  };
  readonly #batches: Record<Priority, number> = { read: 0, next: 0, ahead: 0 };
  readonly #running = new Set<Promise<void>>();
  readonly #closing = new AbortController();
  #isStarting = false;

  constructor(options: ChunkRequestsOptions) {
    this.#options = options;
  }

  /** Chunks that somebody waits for. */
  get waitingCount(): number {
    return this.#waiting.size;
  }

  /** @throws FLIST_CHUNK_UNAVAILABLE, BASE_ABORTED, BASE_QUEUE_FULL, BASE_CLOSED */
  async fetch(
    request: ChunkRequest,
    priority: Priority,
    signal: AbortSignal | undefined,
  ): Promise<FetchedChunk> {
    throwIfAborted(signal);
    if (this.#closing.signal.aborted) throw closed();
    const waiting = this.#join(request);
    if (isMoreUrgent(priority, waiting.priority)) waiting.priority = priority;
    if (priority === 'read' && waiting.running.ahead > 0) this.#enqueueLater(waiting);
    else this.#enqueue(waiting, priority);
    try {
      return await untilAborted(waiting.outcome.promise, signal);
    } finally {
      waiting.callers--;
      if (waiting.callers === 0 && !isUnderWay(waiting)) this.#forget(waiting);
    }
  }

  /** Gives up what is under way. */
  async close(): Promise<void> {
    this.#closing.abort();
    for (const { outcome } of this.#waiting.values()) outcome.reject(closed());
    await Promise.all(this.#running);
  }

  #join(request: ChunkRequest): Waiting {
    const known = this.#waiting.get(keyOf(request));
    if (known !== undefined) {
      known.callers++;
      if (known.request.object === undefined) known.request = request;
      return known;
    }
    if (this.#waiting.size >= requestsMax) throw tooMany();
    const outcome = Promise.withResolvers<FetchedChunk>();
    // Those who wait may all have given up when it fails.
    outcome.promise.catch(() => undefined);
    const running = { read: 0, next: 0, ahead: 0 };
    const waiting: Waiting = {
      ...{ request, outcome, callers: 1, running },
      ...{ patience: undefined, priority: 'ahead', isThere: false },
    };
    this.#waiting.set(keyOf(request), waiting);
    return waiting;
  }

  #enqueue(waiting: Waiting, priority: Priority): void {
    if (waiting.isThere || this.#isComing(waiting, priority)) return;
    const key = keyOf(waiting.request);
    for (const queue of Object.values(this.#queues)) queue.delete(key);
    this.#queues[priority].add(key);
    if (this.#isStarting) return;
    this.#isStarting = true;
    // What else is asked for in this turn goes with the same request.
    setImmediate(() => {
      this.#isStarting = false;
      this.#startBatches();
    });
  }

  /** What is on its way would cross the wire twice; but a long request may take its time. */
  #enqueueLater(waiting: Waiting): void {
    waiting.patience ??= setTimeout(() => {
      waiting.patience = undefined;
      if (waiting.callers > 0) this.#enqueue(waiting, 'read');
    }, aheadPatienceMs);
  }

  /** Whether it is on its way, or in line, as urgently as that. */
  #isComing({ request, running }: Waiting, priority: Priority): boolean {
    if (running.read + running.next > 0) return true;
    // Whoever reads does not wait long for a long request, but asks too.
    if (running.ahead > 0 && priority !== 'read') return true;
    return priorities.some(
      (other) => !isMoreUrgent(priority, other) && this.#queues[other].has(keyOf(request)),
    );
  }

  #forget(waiting: Waiting): void {
    const key = keyOf(waiting.request);
    if (this.#waiting.get(key) !== waiting) return;
    clearTimeout(waiting.patience);
    this.#waiting.delete(key);
    for (const queue of Object.values(this.#queues)) queue.delete(key);
  }

  #startBatches(): void {
    if (this.#closing.signal.aborted) return;
    for (const priority of priorities) {
      while (this.#batches[priority] < batchesMax[priority] && this.#queues[priority].size > 0) {
        this.#start(priority);
      }
    }
  }

  #start(priority: Priority): void {
    const queue = this.#queues[priority];
    const batch: Waiting[] = [];
    const hashes = new Set<ChunkHash>();
    for (const key of queue) {
      if (batch.length >= batchChunksMax[priority]) break;
      const waiting = this.#waiting.get(key);
      // A request has each hash once: another size of it goes with the next one.
      if (waiting !== undefined && hashes.has(waiting.request.hash)) continue;
      queue.delete(key);
      if (waiting === undefined) continue;
      hashes.add(waiting.request.hash);
      waiting.running[priority]++;
      batch.push(waiting);
    }
    this.#batches[priority]++;
    const running = this.#run(batch, priority).finally(() => {
      this.#running.delete(running);
      this.#batches[priority]--;
      this.#startBatches();
    });
    this.#running.add(running);
  }

  /** Never rejects. */
  async #run(batch: readonly Waiting[], priority: Priority): Promise<void> {
    const { sources } = this.#options;
    const { signal } = this.#closing;
    let failure: unknown;
    try {
      const wants = batch.map(({ request }) => request);
      const take = (hash: ChunkHash, plaintext: Buffer): Promise<void> =>
        this.#take(hash, plaintext);
      await sources.fetch(wants, take, { signal });
    } catch (error) {
      failure = error;
    }
    for (const waiting of batch) {
      waiting.running[priority]--;
      if (waiting.isThere || isUnderWay(waiting)) continue;
      this.#forget(waiting);
      waiting.outcome.reject(signal.aborted ? closed() : failure);
    }
  }

  async #take(hash: ChunkHash, plaintext: Buffer): Promise<void> {
    const waiting = this.#waiting.get(keyOf({ hash, sizeBytes: plaintext.length }));
    if (waiting === undefined || waiting.isThere) return;
    waiting.isThere = true;
    if (waiting.priority === 'next') this.#options.onNext?.(hash, plaintext);
    // Whoever reads does not wait for the disk.
    const kept = this.#options.keep(waiting.request, plaintext);
    waiting.outcome.resolve({ plaintext, kept });
    const problem = await kept;
    this.#forget(waiting);
    if (problem === undefined) waiting.request.onKept?.();
  }
}

/** An image may lie about the size of a chunk: others who ask for the same hash do not wait with it. */
type ChunkKey = `${ChunkHash} ${number}`;

function keyOf({ hash, sizeBytes }: ChunkWant): ChunkKey {
  return `${hash} ${sizeBytes}`;
}

function isMoreUrgent(one: Priority, other: Priority): boolean {
  return priorities.indexOf(one) < priorities.indexOf(other);
}

function isUnderWay({ running }: Waiting): boolean {
  return running.read + running.next + running.ahead > 0;
}

async function untilAborted<T>(result: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return result;
  const stopped = Promise.withResolvers<never>();
  const onAbort = (): void => stopped.reject(abortError(signal));
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    return await Promise.race([result, stopped.promise]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}

function closed(): GridError<BaseErrorCode> {
  return new GridError('BASE_CLOSED', 'the store is closed');
}

function tooMany(): GridError<BaseErrorCode> {
  return new GridError('BASE_QUEUE_FULL', `${requestsMax} chunks are waited for`, {
    retryable: true,
  });
}
