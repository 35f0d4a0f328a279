import { type Clock, GridError, type Logger, TaskGroup, waitFor } from '@commongrid/base';
import type { RespConnection } from '@commongrid/resp';
import type { Files } from '@commongrid/files';
import type { Store } from '../engine/store.ts';
import type { ZdbErrorCode } from '../errors.ts';
import type { ReplicationEvent } from '../events.ts';
import { announceTerm, tellTerm } from './announce.ts';
import type { Confirmation } from './confirmation.ts';
import { Follower, type FollowerStatus, type ReplicationSource } from './follower.ts';
import { encodeLogId, encodeNextIds } from './handshake.ts';
import { Replicas, refused } from './replicas.ts';
import { replicaId, type StateFile } from './replication-state.ts';
import { freePrefix, setAside } from './set-aside.ts';
import { ownTerms, seenTerms, writeTerms } from './term-records.ts';
import { compareLogs, encodeTerms, lastTerm, type TermHistory, TERMS_MAX } from './terms.ts';
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
  /** Highest mastership that it has heard of. */
  readonly term: number;
  readonly lastSequence: number;
  readonly history: TermHistory;
}

/** How long a promotion waits for the former master to hear, and for the rest of its log. */
const TAKE_OVER_MS = 3_000;

/**
 * A store's part in replication: master or replica, in which mastership, who follows, whom it follows.
 *
 * One master takes writes; replicas take over its log. A promotion begins a new mastership under a higher
 * term; whoever hears of a higher term than its own takes no more writes.
 */
export class Replication implements AsyncDisposable {
  readonly replicas: Replicas;
  readonly #options: ReplicationOptions;
  readonly #tasks: TaskGroup;
  #follower: Follower | undefined;
  #isPromoting = false;

  constructor(options: ReplicationOptions) {
    const { logger } = options;
    this.#options = options;
    this.replicas = new Replicas({ ...options, isMaster: () => this.#takesWrites });
    this.#tasks = new TaskGroup({
      onError: (error, task) => logger.error({ err: error, task }, 'replication failed'),
    });
  }

  /** Begins to follow, or to wait for replicas. */
  start(): void {
    const { confirmation, store, source, minReplicas } = this.#options;
    confirmation.begin(store.log.durableSequence, this.#takesWrites ? minReplicas : 0);
    // A source says what must be kept for its other replicas: nothing goes before it has.
    if (this.role === 'replica') this.replicas.othersDeletionsUpTo = 0;
    this.replicas.keepDeletions();
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
        this.replicas.othersDeletionsUpTo = upTo;
        this.replicas.keepDeletions();
      },
    });
    this.#follower.start();
  }

  get isPromoting(): boolean {
    return this.#isPromoting;
  }

  /** Nobody follows, and nothing is applied, until `goOn`: the files of the store are opened anew. */
  async pause(): Promise<void> {
    this.replicas.disconnect();
    await this.#follower?.close();
  }

  /** Also where following had ended because the disk failed. */
  goOn(): void {
    if (this.source !== undefined && !this.#tasks.signal.aborted) this.#followSource(this.source);
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
    const { stateFile, store } = this.#options;
    return Math.max(stateFile.state.knownTerm, lastTerm(ownTerms(store)));
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
    return this.lastSequence >= this.#options.store.table.compactedThrough;
  }

  /** Why writes are refused here, when they are. */
  get writeProblem(): string | undefined {
    if (this.role === 'replica') return "READONLY You can't write against a replica";
    const { fencedBy } = this;
    return fencedBy === 0 ? undefined : `READONLY A later mastership has begun: term ${fencedBy}`;
  }

  /**
   * Answers REPLICATE with seven texts; frames follow when the first is `continue`.
   * @throws GridError ZDB_REPLICA_REFUSED
   */
  replicate(connection: RespConnection, claim: ReplicaClaim): string[] {
    const { files, folder } = this.#options;
    this.hear(Math.max(claim.term, lastTerm(claim.history)));
    if (this.fencedBy !== 0) throw refused(`a later mastership has begun: term ${this.fencedBy}`);
    if (this.role === 'replica' && claim.id === replicaId(files, folder)) {
      throw refused('a replica cannot follow itself');
    }
    const verdict = this.#judge(claim);
    if (verdict === 'continue') this.replicas.accept(connection, claim.id, claim.lastSequence);
    return this.#welcome(verdict);
  }

  /** A number: the last sequence that both logs have in common. */
  #judge(claim: ReplicaClaim): 'continue' | 'anew' | number {
    const { store } = this.#options;
    const { id, lastSequence } = claim;
    if (lastSequence === 0) return 'continue';
    if (claim.logId !== encodeLogId(store.table.logId)) throw refused('this is another log');
    const own = { history: this.history, lastSequence: this.lastSequence };
    const comparison = compareLogs(own, claim);
    switch (comparison.kind) {
      case 'continues':
        return this.replicas.missesDeletions(id, lastSequence) ? 'anew' : 'continue';
      case 'diverged':
        return comparison.common;
      case 'foreign':
        return 'anew';
      case 'behind':
        throw refused(`the log here ends at ${own.lastSequence}, before ${lastSequence}`);
      default:
        throw refused('the replica comes from a later mastership');
    }
  }

  #welcome(verdict: 'continue' | 'anew' | number): string[] {
    const { table } = this.#options.store;
    const isCut = typeof verdict === 'number';
    return [
      isCut ? 'cut' : verdict,
      encodeLogId(table.logId),
      String(this.knownTerm),
      encodeTerms(this.history),
      String(isCut ? verdict : 0),
      String(table.deletionsDroppedThrough),
      encodeNextIds(table.nextIds),
    ];
  }

  /** What a replica is told when it acknowledges: our term, how far we are, which deletions may go. */
  get pulse(): readonly number[] {
    const { log, deletionsUpTo } = this.#options.store;
    return [this.knownTerm, log.durableSequence, deletionsUpTo];
  }

  /**
   * Somebody named a term. One above ours ends our mastership, for good; replicas that are connected
   * still get the rest of the log. Returns the last sequence that was written here.
   */
  hear(term: number): number {
    const { stateFile, confirmation, store, logger, emit } = this.#options;
    if (term > this.knownTerm) {
      const isFenced = this.role === 'master';
      stateFile.change({ knownTerm: term, ...(isFenced ? { fencedBy: term } : {}) });
      if (isFenced) {
        logger.error({ term }, 'a later mastership has begun: no more writes are taken here');
        confirmation.begin(store.log.durableSequence, 0, store.log.writtenSequence);
        emit({ kind: 'fenced', term });
      }
    }
    return this.lastSequence;
  }

  /**
   * Makes this store the master, in a new mastership. Resolves when that is on disk.
   * @throws GridError ZDB_PROMOTE_REFUSED, ZDB_WRITE_FAILED
   */
  async promote(term: number): Promise<void> {
    if (this.#isPromoting) throw notPromoted('another promotion is under way');
    if (term <= this.knownTerm) throw notPromoted(`term ${this.knownTerm} is known already`);
    this.#refuseUnfit(term);
    this.#isPromoting = true;
    try {
      const hasHeard = await this.#endFormer(term);
      await this.#follower?.close();
      this.#refuseUnfit(term);
      const former = this.source;
      await this.#become(term);
      if (former !== undefined && !hasHeard) this.#announce(former, term);
    } catch (error) {
      if (this.source !== undefined) this.#followSource(this.source);
      throw error;
    } finally {
      this.#isPromoting = false;
    }
  }

  /**
   * A master that can be reached takes no more writes from here on, and what it has written comes over
   * first: then nothing is lost. Returns whether it has heard.
   */
  async #endFormer(term: number): Promise<boolean> {
    const { source } = this;
    const { store, logger } = this.#options;
    if (source === undefined) return false;
    try {
      const last = await tellTerm(source, term, TAKE_OVER_MS);
      const what = 'the rest of the log';
      const timeoutMs = TAKE_OVER_MS;
      await waitFor(() => store.log.durableSequence >= last, { timeoutMs, what });
      return true;
    } catch (error) {
      logger.warn({ err: error, term }, 'the former master was not there to hand over');
      return false;
    }
  }

  async #become(term: number): Promise<void> {
    const { store, stateFile, confirmation, minReplicas, onPromoted, emit } = this.#options;
    await store.log.flush();
    const firstSequence = this.lastSequence + 1;
    await writeTerms(store, [...this.history, { term, firstSequence }]);
    stateFile.change({ role: 'master', knownTerm: term, fencedBy: 0, sourceTerms: [] });
    this.#follower = undefined;
    this.replicas.disconnect();
    this.replicas.othersDeletionsUpTo = Infinity;
    this.replicas.keepDeletions();
    confirmation.begin(store.log.durableSequence, minReplicas);
    await onPromoted();
    emit({ kind: 'promoted', term, firstSequence });
  }

  #refuseUnfit(term: number): void {
    const { store } = this.#options;
    if (term < this.knownTerm) throw notPromoted(`term ${this.knownTerm} is known by now`);
    if (this.history.length >= TERMS_MAX) throw notPromoted(`${TERMS_MAX} masterships is the most`);
    if (!this.isWhole) throw notPromoted('the first copy of the log is not whole yet');
    const problem = store.log.failure?.message ?? store.readOnlyReason;
    if (problem !== undefined) throw notPromoted(problem);
  }

  /** Tells the former master, as soon as it can be reached, that its time is over. */
  #announce(former: ReplicationSource, term: number): void {
    const { clock, logger } = this.#options;
    this.#tasks.start('announce', (signal) => {
      return announceTerm(former, term, { signal, clock, logger });
    });
  }

  /** Cuts the log after the last common record; without one begins anew. */
  async #leave(common: number | undefined, term: number): Promise<void> {
    const { store, files, folder, stateFile, confirmation, onRewound, emit, logger } =
      this.#options;
    this.replicas.clear();
    const prefix = freePrefix(files, folder, term);
    if (common === undefined) {
      stateFile.change({ setAsideAs: prefix });
      await store.reopenAfter(() => finishSetAside(files, folder, stateFile));
      logger.warn({ prefix }, 'the log cannot be continued: its files were put aside');
      emit({ kind: 'resync', term, prefix });
    } else {
      const file = prefix.slice(0, -1);
      let records = 0;
      await store.reopenAfter(() => {
        ({ records } = truncateFolder(files, folder, common, file));
      });
      logger.warn(
        { common, records, file },
        'records that the master does not know were put aside',
      );
      emit({ kind: 'diverged', term, common, records, file });
    }
    confirmation.begin(store.log.durableSequence, 0);
    onRewound();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async close(): Promise<void> {
    await this.#follower?.close();
    await this.#tasks.close();
    await this.replicas.close();
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

function notPromoted(reason: string): GridError<ZdbErrorCode> {
  return new GridError('ZDB_PROMOTE_REFUSED', `not promoted: ${reason}`);
}
