import { type Clock, delay, GridError, type Logger, TaskGroup } from '@commongrid/base';
import type { RespConnection } from '@commongrid/resp';
import type { Files } from '@commongrid/files';
import type { Store } from '../engine/store.ts';
import type { ZdbErrorCode } from '../errors.ts';
import type { Confirmation } from './confirmation.ts';
import { REPLICA_SILENCE_MS, ReplicaFeeder } from './replica-feeder.ts';
import { type KnownReplica, ReplicaRegistry } from './replica-registry.ts';

export interface ReplicasOptions {
  readonly store: Store;
  readonly files: Files;
  readonly folder: string;
  /** How long a replica that is away is still reckoned with. */
  readonly retentionMs: number;
  readonly confirmation: Confirmation;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Their acknowledgements confirm writes. */
  readonly isMaster: () => boolean;
}

export interface ReplicaStatus extends KnownReplica {
  readonly isConnected: boolean;
  readonly lagRecords: number;
  readonly lagBytes: number;
  readonly lagSeconds: number;
}

/** How long an erasure waits for all replicas. */
const CONFIRM_MS = 30_000;
/** How often silent replicas are looked for, while there are any. */
const WATCH_MS = 1_000;

/** Those who follow this store: sends them the log, and remembers how far they are. */
export class Replicas {
  /** Deletions up to here may be dropped as far as others are concerned who are not known here. */
  othersDeletionsUpTo = Infinity;
  readonly #options: ReplicasOptions;
  readonly #registry: ReplicaRegistry;
  readonly #feeders = new Map<RespConnection, ReplicaFeeder>();
  readonly #tasks: TaskGroup;
  /** Who waits for acknowledgements. */
  readonly #lookers = new Set<() => void>();
  #isWatching = false;

  constructor(options: ReplicasOptions) {
    const { files, folder, clock, retentionMs, logger } = options;
    this.#options = options;
    this.#registry = new ReplicaRegistry(files, folder, clock, retentionMs);
    this.#tasks = new TaskGroup({
      onError: (error, task) => logger.error({ err: error, task }, 'replication failed'),
    });
  }

  /** Deletions after its position are gone: its copy would bring their keys back to life. */
  missesDeletions(id: string, position: number): boolean {
    const dropped = this.#options.store.table.deletionsDroppedThrough;
    return dropped > position && dropped > (this.#registry.get(id)?.baseline ?? 0);
  }

  /** Sends the log after `position` from now on. The same replica's former connection ends. */
  accept(connection: RespConnection, id: string, position: number): void {
    const { store, clock, logger } = this.#options;
    for (const one of this.#feeders.values()) if (one.id === id) one.connection.destroy();
    const { deletionsDroppedThrough: dropped } = store.table;
    const address = connection.remote;
    this.#registry.put({
      id,
      address,
      acknowledged: position,
      baseline: position === 0 ? dropped : (this.#registry.get(id)?.baseline ?? 0),
      seenMs: clock.nowMs(),
    });
    const nowMs = (): number => clock.monotonicMs();
    const feeder = new ReplicaFeeder({ store, connection, id, address, position, nowMs });
    this.#feeders.set(connection, feeder);
    this.keepDeletions();
    this.#tasks.start('feed', () => this.#feed(feeder));
    this.#watch();
    logger.info({ replica: id, address, from: position }, 'a replica follows');
  }

  async #feed(feeder: ReplicaFeeder): Promise<void> {
    const { confirmation, clock, logger } = this.#options;
    try {
      await feeder.run();
    } catch (error) {
      const isOver = feeder.connection.signal.aborted;
      if (!isOver) logger.error({ err: error, replica: feeder.id }, 'a replica cannot be served');
    } finally {
      feeder.connection.destroy();
      this.#feeders.delete(feeder.connection);
      if (!this.#connectedIds().has(feeder.id)) confirmation.left(feeder.id);
      const known = this.#registry.get(feeder.id);
      if (known !== undefined) known.seenMs = clock.nowMs();
      this.#registry.save();
    }
  }

  #connectedIds(): Set<string> {
    return new Set([...this.#feeders.values()].map((one) => one.id));
  }

  /**
   * A replica has the log on disk up to a sequence.
   * @throws GridError ZDB_REPLICA_REFUSED
   */
  acknowledge(connection: RespConnection, sequence: number): void {
    const { confirmation, clock, store, isMaster } = this.#options;
    const feeder = this.#feeders.get(connection);
    if (feeder === undefined) throw refused('REPLICATE comes first');
    if (sequence > store.log.lastSequence) throw refused('that record does not exist');
    feeder.heard(sequence);
    const known = this.#registry.get(feeder.id);
    if (known !== undefined) {
      known.acknowledged = feeder.acknowledged;
      known.seenMs = clock.nowMs();
    }
    if (isMaster()) confirmation.acknowledged(feeder.id, sequence);
    this.keepDeletions();
    for (const look of this.#lookers) look();
  }

  /**
   * Waits until every replica that is reckoned with has a sequence on disk; resolves with the number of
   * those that have not when time is up.
   */
  async unconfirmed(sequence: number): Promise<number> {
    const { clock } = this.#options;
    const count = (): number =>
      this.#registry.list().filter((one) => one.acknowledged < sequence).length;
    await new Promise<void>((resolve) => {
      const look = (): void => {
        if (count() === 0) end();
      };
      const end = (): void => {
        timer.cancel();
        this.#lookers.delete(look);
        resolve();
      };
      const timer = clock.setTimer(CONFIRM_MS, end);
      this.#lookers.add(look);
      look();
    });
    return count();
  }

  /** This replica is reckoned with no more; it begins anew if it comes back. */
  forget(id: string): boolean {
    for (const one of this.#feeders.values()) if (one.id === id) one.connection.destroy();
    const isKnown = this.#registry.forget(id);
    this.keepDeletions();
    return isKnown;
  }

  /** Lets compaction drop what no replica lacks any more. */
  keepDeletions(): void {
    const ownReplicas = this.#registry.deletionsUpTo(this.#connectedIds());
    this.#options.store.deletionsUpTo = Math.min(ownReplicas, this.othersDeletionsUpTo);
  }

  /**
   * Cuts off replicas that say nothing, and brings to disk for them what nobody else does; runs only
   * while there are any.
   */
  #watch(): void {
    if (this.#isWatching) return;
    this.#isWatching = true;
    const { clock, store } = this.#options;
    this.#tasks.start('watch', async (signal) => {
      try {
        while (this.#feeders.size > 0) {
          await delay(WATCH_MS, { signal, clock });
          const silentMs = clock.monotonicMs() - REPLICA_SILENCE_MS;
          for (const one of this.#feeders.values()) {
            if (one.heardMs < silentMs) one.connection.destroy();
          }
          if (store.log.durability === 'os' && store.log.failure === undefined) {
            await store.log.flush();
          }
        }
      } finally {
        this.#isWatching = false;
      }
    });
  }

  /** Ends all connections: replicas come back and ask anew. */
  disconnect(): void {
    for (const one of this.#feeders.values()) one.connection.destroy();
  }

  /** Ends all connections and reckons with nobody any more. */
  clear(): void {
    this.disconnect();
    this.#registry.clear();
    this.keepDeletions();
  }

  get status(): ReplicaStatus[] {
    const { store, clock } = this.#options;
    const nowMs = clock.monotonicMs();
    const feeders = new Map([...this.#feeders.values()].map((one) => [one.id, one]));
    return this.#registry.list().map((known) => {
      const feeder = feeders.get(known.id);
      const lagRecords = Math.max(0, store.log.durableSequence - known.acknowledged);
      const awaySeconds = (clock.nowMs() - known.seenMs) / 1000;
      const lagSeconds = feeder === undefined ? awaySeconds : (nowMs - feeder.caughtUpMs) / 1000;
      return {
        ...known,
        isConnected: feeder !== undefined,
        lagRecords,
        lagBytes: lagRecords === 0 ? 0 : bytesAfter(store, known.acknowledged),
        lagSeconds: lagRecords === 0 ? 0 : Math.max(0, lagSeconds),
      };
    });
  }

  async close(): Promise<void> {
    this.disconnect();
    await this.#tasks.close();
  }
}

/** About so many bytes of the log come after a sequence. */
function bytesAfter({ table }: Store, sequence: number): number {
  let bytes = 0;
  for (const { firstSequence, lastSequence, nextOffset } of table.segments) {
    if (lastSequence <= sequence) continue;
    const after = lastSequence - Math.max(sequence, firstSequence - 1);
    bytes += (nextOffset * after) / (lastSequence - firstSequence + 1);
  }
  return Math.round(bytes);
}

export function refused(reason: string): GridError<ZdbErrorCode> {
  return new GridError('ZDB_REPLICA_REFUSED', reason);
}
