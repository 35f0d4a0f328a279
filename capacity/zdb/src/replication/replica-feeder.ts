import { GridError } from '@commongrid/base';
import type { RespConnection } from '@commongrid/resp';
import type { Store } from '../engine/store.ts';
import type { ZdbErrorCode } from '../errors.ts';
import { type FeedBatch, LogFeed } from './log-feed.ts';

/** Bytes, and batches, that may be under way to a replica without its acknowledgement. */
const WINDOW_BYTES = 16 * 1024 * 1024;
const WINDOW_BATCHES = 1024;
/** A replica that says nothing for so long is cut off; it speaks up every second. */
export const REPLICA_SILENCE_MS = 10_000;

export interface FeederOptions {
  readonly store: Store;
  readonly connection: RespConnection;
  readonly id: string;
  readonly address: string;
  /** Last sequence that the replica has. */
  readonly position: number;
  readonly nowMs: () => number;
}

/** Sends the log to one replica: in order, as far as it is on disk, no faster than it acknowledges. */
export class ReplicaFeeder {
  readonly id: string;
  readonly address: string;
  readonly connection: RespConnection;
  acknowledged: number;
  /** When the replica last spoke; monotonic. */
  heardMs: number;
  /** When it last had all that was on disk here; monotonic. */
  caughtUpMs: number;
  readonly #store: Store;
  readonly #feed: LogFeed;
  readonly #nowMs: () => number;
  /** Deletions that were dropped before this feed began do not concern it. */
  readonly #baseline: number;
  readonly #underWay: { readonly lastSequence: number; readonly sizeBytes: number }[] = [];
  #underWayBytes = 0;
  #wake: (() => void) | undefined;

  constructor(options: FeederOptions) {
    this.id = options.id;
    this.address = options.address;
    this.connection = options.connection;
    this.acknowledged = options.position;
    this.#store = options.store;
    this.#nowMs = options.nowMs;
    this.heardMs = options.nowMs();
    this.caughtUpMs = options.nowMs();
    this.#baseline = options.store.table.deletionsDroppedThrough;
    this.#feed = new LogFeed(options.store, options.position);
  }

  /**
   * Runs until the connection is gone. A replica that must begin anew is cut off: it asks again.
   * @throws GridError ZDB_READ_FAILED when the log is damaged where the replica is
   */
  async run(): Promise<void> {
    const { signal } = this.connection;
    const wake = (): void => this.#wake?.();
    this.#store.durableListeners.add(wake);
    signal.addEventListener('abort', wake);
    try {
      while (!signal.aborted) {
        const isFull = this.#isWindowFull;
        const looked = isFull ? -1 : this.#store.log.durableSequence;
        const batch = isFull ? undefined : await this.#feed.next();
        if (batch === undefined) await this.#waitForNews(looked);
        else if (this.#missesDeletions()) this.connection.destroy();
        else await this.#send(batch);
      }
    } finally {
      this.#store.durableListeners.delete(wake);
      signal.removeEventListener('abort', wake);
    }
  }

  /** The replica has everything up to here on disk. */
  heard(acknowledged: number): void {
    this.heardMs = this.#nowMs();
    if (acknowledged > this.acknowledged) this.acknowledged = acknowledged;
    if (acknowledged >= this.#store.log.durableSequence) this.caughtUpMs = this.heardMs;
    while (this.#underWay[0] !== undefined && this.#underWay[0].lastSequence <= acknowledged) {
      this.#underWayBytes -= this.#underWay.shift()?.sizeBytes ?? 0;
    }
    this.#wake?.();
  }

  /** Bytes sent and not acknowledged. */
  get underWayBytes(): number {
    return this.#underWayBytes;
  }

  get #isWindowFull(): boolean {
    return this.#underWayBytes >= WINDOW_BYTES || this.#underWay.length >= WINDOW_BATCHES;
  }

  /** Compaction that had begun before this replica was known has dropped what it has not seen. */
  #missesDeletions(): boolean {
    const dropped = this.#store.table.deletionsDroppedThrough;
    return dropped > this.#baseline && dropped > this.acknowledged;
  }

  /** Returns at once when there is more than what was `looked` at. */
  async #waitForNews(looked: number): Promise<void> {
    const hasNews = (): boolean =>
      this.connection.signal.aborted ||
      (!this.#isWindowFull && this.#store.log.durableSequence > looked);
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
      if (hasNews()) resolve();
    });
    this.#wake = undefined;
  }

  async #send(batch: FeedBatch): Promise<void> {
    const { lastSequence, bytes } = batch;
    while (!this.connection.signal.aborted) {
      if (this.#push(batch)) {
        this.#underWay.push({ lastSequence, sizeBytes: bytes.length });
        this.#underWayBytes += bytes.length;
        return;
      }
      if (this.connection.isClosing) throw lost();
      await this.connection.drained();
    }
  }

  #push({ segmentId, offset, bytes, isSparse }: FeedBatch): boolean {
    const { table } = this.#store;
    return this.connection.push((reply) => {
      reply.push(6);
      reply.bulkText('frames');
      reply.integer(segmentId);
      reply.integer(offset);
      reply.integer(isSparse ? table.compactedThrough : 0);
      reply.integer(isSparse ? table.deletionsDroppedThrough : 0);
      reply.bulkReference(bytes);
    });
  }
}

function lost(): GridError<ZdbErrorCode> {
  return new GridError('ZDB_REPLICA_REFUSED', 'the connection to a replica is closing');
}
