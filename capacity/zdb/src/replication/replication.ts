import { type Clock, delay, GridError, type Logger, TaskGroup } from '@commongrid/base';
import type { RespConnection } from '@commongrid/resp';
import type { Files } from '../engine/files.ts';
import type { Store } from '../engine/store.ts';
import type { ZdbErrorCode } from '../errors.ts';
import type { ReplicationEvent } from '../events.ts';
import { announceTerm } from './announce.ts';
import type { Confirmation } from './confirmation.ts';
import { Follower, type FollowerStatus, type ReplicationSource } from './follower.ts';
import { encodeLogId, encodeNextIds } from './handshake.ts';
import { REPLICA_SILENCE_MS, ReplicaFeeder } from './replica-feeder.ts';
import { type KnownReplica, ReplicaRegistry } from './replica-registry.ts';
import { replicaId, type StateFile } from './replication-state.ts';
import { freePrefix, setAside } from './set-aside.ts';
import { compareLogs, encodeTerms, lastTerm, type TermHistory } from './terms.ts';
import { ownTerms, seenTerms, writeTerms } from './term-records.ts';
import { truncateFolder } from './truncate.ts';

export interface ReplicationOptions {
  readonly store: Store;
  readonly files: Files;
  readonly folder: string;
  readonly stateFile: StateFile;
  /** Who is followed; undefined for a master, and for a replica that was started without its master. */
  readonly source: ReplicationSource | undefined;
  readonly minReplicas: number;
  /** How long a replica that is away is still reckoned with. */
  readonly retentionMs: number;
  readonly confirmation: Confirmation;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly emit: (event: ReplicationEvent) => void;
  /** The log was cut, or began anew: what refers to later sequences is void. */
  readonly onRewound: () => void;
  /** Writes are taken from now on. */
  readonly onPromoted: () => Promise<void>;
}

/** What a replica says of itself when it asks to follow. */
export interface ReplicaClaim {
  readonly id: string;
  /** Undefined: it has nothing yet. */
  readonly logId: string | undefined;
  readonly term: number;
  readonly lastSequence: number;
  readonly history: TermHistory;
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

/**
 * A store's part in replication: master or replica, in which mastership, who follows, whom it follows.
 *
 * One master takes writes; replicas take over its log. A promotion begins a new mastership under a higher
 * term; whoever hears of a higher term than its own takes no more writes.
 */
export class Replication implements AsyncDisposable {
  readonly #options: ReplicationOptions;
  readonly #registry: ReplicaRegistry;
  readonly #feeders = new Map<RespConnection, ReplicaFeeder>();
  readonly #tasks: TaskGroup;
  #follower: Follower | undefined;
  #isWatching = false;
  #isPromoting = false;
  /** What is kept here for a source's other replicas; nothing is known before it says. */
  #sourceDeletions = 0;
  /** Who waits for acknowledgements. */
  readonly #lookers = new Set<() => void>();

  constructor(options: ReplicationOptions) {
    const { files, folder, clock, retentionMs, logger } = options;
    this.#options = options;
    this.#registry = new ReplicaRegistry(files, folder, clock, retentionMs);
    this.#tasks = new TaskGroup({
      onError: (error, task) => logger.error({ err: error, task }, 'replication failed'),
    });
  }

  /** Begins to follow, or to wait for replicas. */
  start(): void {
    const { confirmation, store, source, minReplicas } = this.#options;
    confirmation.begin(store.log.durableSequence, this.#takesWrites ? minReplicas : 0);
    this.#keepDeletions();
    if (this.role === 'replica' && source !== undefined) this.#followSource(source);
  }

  #followSource(source: ReplicationSource): void {
    const { store, stateFile, clock, logger, files, folder } = this.#options;
    this.#follower = new Follower({
      store,
      stateFile,
      source,
      clock,
      logger,
      id: replicaId(files, folder),
      history: () => this.history,
      leave: (common, term) => this.#leave(common, term),
      onDeletions: (upTo) => {
        this.#sourceDeletions = upTo;
        this.#keepDeletions();
      },
    });
    this.#follower.start();
  }

  get role(): 'master' | 'replica' {
    return this.#options.stateFile.state.role;
  }

  /** A later term that ended this mastership; 0 = none. */
  get fencedBy(): number {
    return this.role === 'master' ? this.#options.stateFile.state.fencedBy : 0;
  }

  get #takesWrites(): boolean {
    return this.role === 'master' && this.fencedBy === 0;
  }

  /** The masterships that the log here has seen. */
  get history(): TermHistory {
    const { store, stateFile } = this.#options;
    return seenTerms(store, this.role === 'replica' ? stateFile.state.sourceTerms : []);
  }

  get term(): number {
    return lastTerm(this.history);
  }

  get knownTerm(): number {
    return Math.max(
      this.#options.stateFile.state.knownTerm,
      lastTerm(ownTerms(this.#options.store)),
    );
  }

  get lastSequence(): number {
    return this.#options.store.log.lastSequence;
  }

  get source(): ReplicationSource | undefined {
    return this.role === 'replica' ? this.#options.source : undefined;
  }

  get followerStatus(): FollowerStatus | undefined {
    return this.#follower?.status;
  }

  /** Until its first copy is whole a replica shows a state that never was. */
  get isWhole(): boolean {
    const { log, table } = this.#options.store;
    return log.lastSequence >= table.compactedThrough;
  }

  /** Why writes are refused here, when they are. */
  get writeProblem(): string | undefined {
    if (this.role === 'replica') return "READONLY You can't write against a replica";
    const { fencedBy } = this;
    return fencedBy === 0 ? undefined : `READONLY A later mastership has begun: term ${fencedBy}`;
  }

  // The master's side.

  /** Answers REPLICATE: seven texts; frames follow when the first is `continue`. @throws GridError */
  replicate(connection: RespConnection, claim: ReplicaClaim): string[] {
    const { store, files, folder } = this.#options;
    this.hear(claim.term);
    this.hear(lastTerm(claim.history));
    if (this.fencedBy !== 0) throw refused(`a later mastership has begun: term ${this.fencedBy}`);
    if (this.role === 'replica' && claim.id === replicaId(files, folder)) {
      throw refused('a replica cannot follow itself');
    }
    const { lastSequence } = store.log;
    if (claim.lastSequence === 0) return this.#accept(connection, claim);
    if (claim.logId !== encodeLogId(store.table.logId)) throw refused('this is another log');
    const comparison = compareLogs({ history: this.history, lastSequence }, claim);
    switch (comparison.kind) {
      case 'continues':
        return this.#missesDeletions(claim)
          ? this.#welcome('anew', 0)
          : this.#accept(connection, claim);
      case 'diverged':
        return this.#welcome('cut', comparison.common);
      case 'foreign':
        return this.#welcome('anew', 0);
      case 'behind':
        throw refused(`the log here ends at ${lastSequence}, before ${claim.lastSequence}`);
      case 'stale':
        throw refused('the replica comes from a later mastership');
    }
  }

  /** Deletions that it has not seen are gone: its copy would bring their keys back to life. */
  #missesDeletions({ id, lastSequence }: ReplicaClaim): boolean {
    const dropped = this.#options.store.table.deletionsDroppedThrough;
    return dropped > lastSequence && dropped > (this.#registry.get(id)?.baseline ?? 0);
  }

  #accept(connection: RespConnection, claim: ReplicaClaim): string[] {
    const { store, clock, logger } = this.#options;
    const { id, lastSequence } = claim;
    for (const feeder of this.#feeders.values()) {
      if (feeder.id === id) feeder.connection.destroy();
    }
    const dropped = store.table.deletionsDroppedThrough;
    this.#registry.put({
      id,
      address: connection.remote,
      acknowledged: lastSequence,
      baseline: lastSequence === 0 ? dropped : (this.#registry.get(id)?.baseline ?? 0),
      seenMs: clock.nowMs(),
    });
    const feeder = new ReplicaFeeder({
      store,
      connection,
      id,
      address: connection.remote,
      position: lastSequence,
      nowMs: () => clock.monotonicMs(),
    });
    this.#feeders.set(connection, feeder);
    this.#keepDeletions();
    const welcome = this.#welcome('continue', lastSequence);
    this.#tasks.start('feed', () => this.#feed(feeder));
    this.#watch();
    logger.info({ replica: id, address: feeder.address, from: lastSequence }, 'a replica follows');
    return welcome;
  }

  #welcome(verdict: 'continue' | 'cut' | 'anew', common: number): string[] {
    const { table } = this.#options.store;
    return [
      verdict,
      encodeLogId(table.logId),
      String(this.knownTerm),
      encodeTerms(this.history),
      String(common),
      String(table.deletionsDroppedThrough),
      encodeNextIds(table.nextIds),
    ];
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
      const isElsewhere = [...this.#feeders.values()].some((one) => one.id === feeder.id);
      if (!isElsewhere) confirmation.left(feeder.id);
      const known = this.#registry.get(feeder.id);
      if (known !== undefined) known.seenMs = clock.nowMs();
      this.#registry.save();
    }
  }

  /** A replica has the log on disk up to a sequence; answers our term and last sequence. */
  acknowledge(connection: RespConnection, sequence: number): readonly [number, number, number] {
    const { confirmation, clock, store } = this.#options;
    const feeder = this.#feeders.get(connection);
    if (feeder === undefined) throw refused('REPLICATE comes first');
    if (sequence > store.log.lastSequence) throw refused('that record does not exist');
    feeder.heard(sequence);
    const known = this.#registry.get(feeder.id);
    if (known !== undefined) {
      known.acknowledged = feeder.acknowledged;
      known.seenMs = clock.nowMs();
    }
    if (this.#takesWrites) confirmation.acknowledged(feeder.id, sequence);
    this.#keepDeletions();
    for (const look of this.#lookers) look();
    return [this.knownTerm, store.log.durableSequence, store.deletionsUpTo];
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

  /** Deletions are not reckoned with for this replica any more; it begins anew if it comes back. */
  forget(id: string): boolean {
    for (const feeder of this.#feeders.values()) {
      if (feeder.id === id) feeder.connection.destroy();
    }
    const isKnown = this.#registry.forget(id);
    this.#keepDeletions();
    return isKnown;
  }

  #keepDeletions(): void {
    const connected = new Set([...this.#feeders.values()].map((one) => one.id));
    const ownReplicas = this.#registry.deletionsUpTo(connected);
    // Should this replica take over, those that followed its master are to find what they lack.
    const others = this.role === 'replica' ? this.#sourceDeletions : Infinity;
    this.#options.store.deletionsUpTo = Math.min(ownReplicas, others);
  }

  /** Cuts off replicas that say nothing; runs only while there are any. */
  #watch(): void {
    if (this.#isWatching) return;
    this.#isWatching = true;
    const { clock } = this.#options;
    this.#tasks.start('watch', async (signal) => {
      try {
        while (this.#feeders.size > 0) {
          await delay(WATCH_MS, { signal, clock });
          const silentMs = clock.monotonicMs() - REPLICA_SILENCE_MS;
          for (const feeder of this.#feeders.values()) {
            if (feeder.heardMs < silentMs) feeder.connection.destroy();
          }
        }
      } finally {
        this.#isWatching = false;
      }
    });
  }

  #dropReplicas(): void {
    for (const feeder of this.#feeders.values()) feeder.connection.destroy();
  }

  get replicas(): ReplicaStatus[] {
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

  // Masterships.

  /** Somebody named a term. One above ours ends our mastership, for good. */
  hear(term: number): void {
    const { stateFile, confirmation, store, logger, emit } = this.#options;
    if (term <= this.knownTerm) return;
    const isFenced = this.role === 'master';
    stateFile.change({ knownTerm: term, ...(isFenced ? { fencedBy: term } : {}) });
    if (!isFenced) return;
    logger.error({ term }, 'a later mastership has begun: no more writes are taken here');
    confirmation.begin(store.log.durableSequence, 0);
    this.#dropReplicas();
    emit({ kind: 'fenced', term });
  }

  /**
   * Makes this store the master, in a new mastership. Resolves when that is on disk.
   * @throws GridError ZDB_PROMOTE_REFUSED, ZDB_WRITE_FAILED
   */
  async promote(term: number): Promise<void> {
    const { store, stateFile, confirmation, minReplicas, onPromoted, emit } = this.#options;
    if (this.#isPromoting) throw notPromoted('another promotion is under way');
    this.#refuseUnfit(term);
    this.#isPromoting = true;
    try {
      await this.#follower?.close();
      this.#refuseUnfit(term);
      const history = this.history;
      await store.log.flush();
      const firstSequence = store.log.lastSequence + 1;
      await writeTerms(store, [...history, { term, firstSequence }]);
      const former = this.source;
      stateFile.change({ role: 'master', knownTerm: term, fencedBy: 0, sourceTerms: [] });
      this.#follower = undefined;
      this.#dropReplicas();
      this.#keepDeletions();
      confirmation.begin(store.log.durableSequence, minReplicas);
      await onPromoted();
      emit({ kind: 'promoted', term, firstSequence });
      if (former !== undefined) this.#announce(former, term);
    } catch (error) {
      this.#follower = undefined;
      if (this.source !== undefined) this.#followSource(this.source);
      throw error;
    } finally {
      this.#isPromoting = false;
    }
  }

  #refuseUnfit(term: number): void {
    const { store } = this.#options;
    if (term <= this.knownTerm) throw notPromoted(`term ${this.knownTerm} is known already`);
    if (!this.isWhole) throw notPromoted('the first copy of the log is not whole yet');
    const problem = store.log.failure?.message ?? store.readOnlyReason;
    if (problem !== undefined) throw notPromoted(problem);
  }

  /** Tells the former master, as soon as it can be reached, that its time is over. */
  #announce(former: ReplicationSource, term: number): void {
    const { clock, logger } = this.#options;
    this.#tasks.start('announce', (signal) =>
      announceTerm(former, term, { signal, clock, logger }),
    );
  }

  /** Cuts the log after the last common record; without one begins anew. */
  async #leave(common: number | undefined, term: number): Promise<void> {
    const { store, files, folder, stateFile, confirmation, onRewound, emit, logger } =
      this.#options;
    this.#dropReplicas();
    const prefix = freePrefix(files, folder, term);
    if (common === undefined) {
      stateFile.change({ setAsideAs: prefix });
      await store.reopenAfter(() => finishSetAside(files, folder, stateFile));
      this.#registry.clear();
      logger.warn({ prefix }, 'the log cannot be continued: its files were put aside');
      emit({ kind: 'resync', term, prefix });
    } else {
      const saveAs = prefix.slice(0, -1);
      let records = 0;
      await store.reopenAfter(() => {
        ({ records } = truncateFolder(files, folder, common, saveAs));
      });
      logger.warn({ common, records, file: saveAs }, 'records that no master knows were put aside');
      emit({ kind: 'diverged', term, common, records, file: saveAs });
    }
    confirmation.begin(store.log.durableSequence, 0);
    onRewound();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async close(): Promise<void> {
    this.#dropReplicas();
    await this.#follower?.close();
    await this.#tasks.close();
    this.#options.confirmation.close();
  }
}

/** Puts the files of a store aside when that was begun. */
export function finishSetAside(files: Files, folder: string, stateFile: StateFile): void {
  const { setAsideAs } = stateFile.state;
  if (setAsideAs === '') return;
  setAside(files, folder, setAsideAs);
  stateFile.change({ setAsideAs: '', sourceTerms: [] });
}

/** About so many bytes of the log come after a sequence. */
function bytesAfter({ table }: Store, sequence: number): number {
  let bytes = 0;
  for (const { firstSequence, lastSequence, nextOffset } of table.segments) {
    if (lastSequence <= sequence) continue;
    const part =
      (lastSequence - Math.max(sequence, firstSequence - 1)) / (lastSequence - firstSequence + 1);
    bytes += nextOffset * part;
  }
  return Math.round(bytes);
}

function refused(reason: string): GridError<ZdbErrorCode> {
  return new GridError('ZDB_REPLICA_REFUSED', reason);
}

function notPromoted(reason: string): GridError<ZdbErrorCode> {
  return new GridError('ZDB_PROMOTE_REFUSED', `not promoted: ${reason}`);
}
