import { mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { DatabaseSync } from 'node:sqlite';
import {
  closeOnce,
  delay,
  FolderLock,
  isGridError,
  Mutex,
  repeat,
  silentLogger,
  systemClock,
  systemRandom,
  TaskGroup,
  throwIfAborted,
} from '@commongrid/base';
import type { Clock, Logger, Random } from '@commongrid/base';
import { nothingBeside } from './beside.ts';
import type { Beside } from './beside.ts';
import { CatalogCare } from './catalog-care.ts';
import type { CareOptions } from './catalog-care.ts';
import { CatalogDatabase } from './catalog-database.ts';
import { firstState } from './chain.ts';
import { findLog, foundLog } from './found-log.ts';
import type { LogPlace } from './found-log.ts';
import { FolderRoom } from './folder-room.ts';
import { GroupCommit } from './group-commit.ts';
import type { Change } from './group-commit.ts';
import { notServing } from './lease.ts';
import { LogHead } from './log-head.ts';
import type { MemberState } from './log-head.ts';
import { LogTail } from './log-tail.ts';
import { MembersNow } from './members-now.ts';
import type { SnapshotStore } from './snapshot-store.ts';
import { pointerOf, Snapshots } from './snapshots.ts';
import type { LogApplier } from './take-over.ts';
import { TlogCipher } from './tlog-cipher.ts';

/** How often a head that does not serve reads the log. */
const watchEveryMs = 1_000;
/** How often it looks for the one that does. */
const lookEveryMs = 500;
/** Times that the active head may not answer before another one takes over. */
const missesMax = 2;
/** Most looks that are left out after a take-over failed: heads in step would depose each other for ever. */
const pausesMax = 8;
/** How often the one that serves looks after members and snapshots. */
const careEveryMs = 1_000;
/** How often is looked whether this head serves. */
const servingLookMs = 20;

export interface CatalogOptions extends LogPlace, CareOptions {
  /** For the tables alone; made when it is missing. One process at a time. */
  readonly folder: string;
  /**
   * Scripts that make the tables; number n brings version n - 1 to n. Each must do the same on every
   * head. Tables need an INTEGER PRIMARY KEY or WITHOUT ROWID; no triggers, no AUTOINCREMENT.
   */
  readonly schema: readonly string[];
  readonly snapshots: SnapshotStore;
  /** Names of members as they are known later. Default: `members`. */
  readonly membersNow?: () => readonly string[];
  readonly clock?: Clock;
  readonly random?: Random;
  readonly logger?: Logger;
}

export interface StandByOptions {
  /** Phase 1 of a take-over: whether the other head answers. */
  readonly isActive: (signal: AbortSignal) => Promise<boolean>;
  readonly signal: AbortSignal;
}

/** How long may be waited; for ever by default when for a head that serves, not at all for a lease. */
export interface WaitOptions {
  readonly waitMs?: number;
  readonly signal?: AbortSignal | undefined;
}

/** A head that serves: its right to write, and what waits to be written. */
interface Service {
  readonly head: LogHead;
  readonly commits: GroupCommit;
}

/**
 * The tables of Zero-Stor: SQLite here, and a log of all changes on a majority of 2m + 1 members. Any
 * number of heads follow the log, one at a time writes it and answers.
 */
export class Catalog implements AsyncDisposable {
  readonly #o: CatalogOptions;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #cipher: TlogCipher;
  readonly #database: CatalogDatabase;
  readonly #room: FolderRoom;
  readonly #snapshots: Snapshots;
  readonly #tasks: TaskGroup;
  readonly #membersNow: MembersNow;
  /** Following and taking over apply records: one at a time. */
  readonly #turns = new Mutex();
  #service: Service | undefined;
  #beside: Beside = nothingBeside;
  #tail: LogTail | undefined;
  /** Code of the error that ended this head's right to write. */
  #lostBy: string | undefined;
  readonly close: () => Promise<void>;

  /** Use `open`. */
  constructor(o: CatalogOptions, cipher: TlogCipher, database: CatalogDatabase, lock: FolderLock) {
    const { logger = silentLogger } = o;
    this.#o = o;
    this.#clock = o.clock ?? systemClock;
    this.#logger = logger;
    this.#cipher = cipher;
    this.#database = database;
    this.#room = new FolderRoom(o.folder, { clock: this.#clock, logger });
    this.#snapshots = new Snapshots(o.folder, o.snapshots, o.metadataKey);
    this.#membersNow = new MembersNow(() => ({ ...o, members: o.membersNow?.() ?? o.members }));
    this.#tasks = new TaskGroup({ onError: (err, name) => logger.error({ err, name }, 'failed') });
    this.close = closeOnce(async () => {
      await using stack = new AsyncDisposableStack();
      stack.use(lock);
      stack.use(database);
      stack.defer(() => this.#stopFollowing());
      stack.defer(() => this.#stopServing());
      stack.use(this.#tasks);
      await this.#service?.commits.idle();
    });
  }

  /**
   * Begins a log in namespaces that are empty: once, before the first `open`.
   * @throws ZSTOR_CATALOG_NOT_EMPTY, ZSTOR_CATALOG_FENCED, ZSTOR_CATALOG_MEMBER_FAILED
   */
  static found(place: LogPlace, random: Random = systemRandom): Promise<void> {
    return foundLog(place, random);
  }

  /**
   * Begins a new log, in namespaces that are empty, with the tables of a snapshot of another: for when
   * the other log is lost. The members of that one must not come back.
   * @throws what `found` throws, ZSTOR_CATALOG_SNAPSHOT_CORRUPT
   */
  static async restore(o: CatalogOptions, pointer: Buffer): Promise<void> {
    await mkdir(o.folder, { recursive: true });
    await using lock = await FolderLock.open(o.folder);
    const snapshots = new Snapshots(dirname(lock.path), o.snapshots, o.metadataKey);
    const { index, hash } = await snapshots.positionOf(pointer);
    const note = { index, hash, pointer: pointer.toString('base64') };
    await foundLog(o, o.random ?? systemRandom, note);
  }

  /**
   * Opens the tables and follows the log. Tables that are new need a member that answers.
   * @throws ZSTOR_CATALOG_NO_MAJORITY, ZSTOR_CATALOG_LOG_FOREIGN, BASE_FOLDER_LOCKED
   */
  static async open(o: CatalogOptions): Promise<Catalog> {
    const { folder, schema, logger = silentLogger } = o;
    await mkdir(folder, { recursive: true });
    await using stack = new AsyncDisposableStack();
    const lock = stack.use(await FolderLock.open(folder));
    const database = stack.use(await CatalogDatabase.open({ folder, schema, logger }));
    if (database.state === undefined) {
      const { logId, membership } = await findLog(o);
      database.begin(logId, { ...firstState([]), membership });
    }
    const cipher = new TlogCipher(o.metadataKey, database.logId ?? Buffer.alloc(0));
    const catalog = new Catalog(o, cipher, database, lock);
    catalog.#start();
    stack.move();
    return catalog;
  }

  /** True while this head has the right to write, as far as it knows. */
  get isServing(): boolean {
    return this.#service !== undefined && this.#service.head.lost === undefined;
  }

  /**
   * How many heads opened the log, this one included: u32, rises, and no two that served have the same.
   * @throws ZSTOR_CATALOG_NOT_SERVING
   */
  get epoch(): number {
    return this.#serving().head.state.epoch;
  }

  /** The last record that the tables have. */
  get index(): number {
    return this.#database.state?.index ?? 0;
  }

  /** Records that the log keeps because no snapshot has them; 0 when this head does not serve. */
  get recordsSinceSnapshot(): number {
    const [newest] = this.#service?.head.snapshots ?? [];
    return this.isServing ? this.index - (newest?.index ?? 0) : 0;
  }

  /** Changes that this head kept since it serves. */
  get keptChanges(): number {
    return this.#service?.commits.keptChanges ?? 0;
  }

  /** How the members do; empty when this head does not serve. */
  get members(): readonly MemberState[] {
    return this.#service?.head.members ?? [];
  }

  /**
   * Takes the log over; resolves when this head serves, a second and a half later at the earliest.
   * @throws ZSTOR_CATALOG_NO_MAJORITY, ZSTOR_CATALOG_FENCED: try again;
   *   ZSTOR_CATALOG_LOG_BEHIND, _LOG_INCOMPLETE, _SCHEMA_NEWER, _HALTED: look into it
   */
  async takeOver(signal?: AbortSignal): Promise<void> {
    await this.#turns.run(
      async () => {
        if (this.isServing) return;
        await this.#stopServing();
        await this.#stopFollowing();
        const head = await this.#reach(() => LogHead.open(this.#headOptions(), signal));
        const beside: Beside = {
          begin: () => this.#beside.begin(),
          note: (db, epoch) => this.#beside.note(db, epoch),
          send: () => this.#beside.send(),
        };
        const commits = new GroupCommit(this.#database, head, beside, this.#clock);
        this.#service = { head, commits };
      },
      { signal },
    );
  }

  /**
   * Takes over whenever the active head does not answer twice in a row, until the signal fires. What
   * keeps a take-over from its end is logged, and it is tried again.
   */
  async standBy({ isActive, signal }: StandByOptions): Promise<void> {
    const { random = systemRandom } = this.#o;
    let misses = 0;
    const look = async (): Promise<void> => {
      if (this.isServing) return;
      misses = (await isActive(signal)) ? 0 : misses + 1;
      if (misses < missesMax) return;
      misses = -random.int(0, pausesMax + 1);
      await this.takeOver(signal);
      misses = 0;
    };
    const onError = (err: unknown): void => this.#logger.warn({ err }, 'taking over failed');
    await repeat(lookEveryMs, look, { signal, clock: this.#clock, onError });
  }

  /**
   * Takes over again, until the signal fires, when no majority took what this head wrote in time. Not
   * when another head has fenced it, or opened the log since: for one that stands by for nobody.
   */
  async goOn(signal: AbortSignal): Promise<void> {
    let served = this.epoch;
    let looks = 0;
    const look = async (): Promise<void> => {
      if (this.isServing) served = this.epoch;
      const isOurs = this.#database.state?.epoch === served;
      const mayServe = isOurs && this.#lostBy !== 'ZSTOR_CATALOG_FENCED';
      looks = mayServe && !this.isServing ? looks + 1 : 0;
      // By the second look the log was followed once at least, where a majority can be read.
      if (looks >= missesMax) await this.takeOver(signal);
    };
    const onError = (err: unknown): void => {
      // Somebody does so at the same time, and is not to be fenced in turn.
      if (isGridError(err, 'ZSTOR_CATALOG_FENCED')) this.#lostBy = err.code;
      this.#logger.warn({ err }, 'taking over again failed');
    };
    await repeat(watchEveryMs, look, { signal, clock: this.#clock, onError });
  }

  /**
   * Resolves once this head serves, now or after a take-over.
   * @returns its epoch, for `confirmLease`
   * @throws BASE_ABORTED; ZSTOR_CATALOG_NOT_SERVING after `waitMs`, where that is given
   */
  async untilServing({ waitMs = Infinity, signal }: WaitOptions = {}): Promise<number> {
    const endMs = this.#clock.monotonicMs() + waitMs;
    while (!this.isServing && this.#clock.monotonicMs() < endMs) {
      throwIfAborted(signal);
      await delay(servingLookMs, { signal, clock: this.#clock });
    }
    return this.epoch;
  }

  /**
   * To be awaited before a reply leaves whose reads began in `epoch`. Returns at once under a lease;
   * where that ran out, for it can be that no majority answered for a while, it waits for the next
   * confirmation: if this head has the same epoch then, nobody else served in between.
   * @throws BASE_ABORTED; ZSTOR_CATALOG_NOT_SERVING after `waitMs`, or when the epoch is over
   */
  async confirmLease(epoch: number, { waitMs = 0, signal }: WaitOptions = {}): Promise<void> {
    const endMs = this.#clock.monotonicMs() + waitMs;
    for (;;) {
      const { head } = this.#serving();
      if (head.state.epoch !== epoch) throw notServing('it took the log over meanwhile');
      if (head.lease.isValid || this.#clock.monotonicMs() >= endMs) {
        head.requireLease();
        return;
      }
      throwIfAborted(signal);
      await delay(servingLookMs, { signal, clock: this.#clock });
    }
  }

  /**
   * Changes rows. What `change` returns or throws comes back once it is on a majority of the log, with
   * all changes before it. `change` may run more than once; it must not wait, and not keep `db`.
   * @param onMade called each time that `change` went through, before it is kept
   * @throws what `change` throws; ZSTOR_CATALOG_NOT_SERVING, ZSTOR_CATALOG_BUSY: it was not made;
   *   ZSTOR_CATALOG_RESULT_UNKNOWN: it may be made or not; ZSTOR_CATALOG_CHANGE_TOO_LARGE,
   *   ZSTOR_CATALOG_CHANGE_INVALID
   */
  async write<T>(change: Change<T>, onMade?: (result: T) => void): Promise<T> {
    return this.#serving().commits.write(change, onMade);
  }

  /** From now on this is written beside the tables. One at a time. */
  attach(beside: Beside): void {
    this.#beside = beside;
  }

  /**
   * Reads rows, as they are after the last record that is kept. Whether this may be told to anybody is
   * another question: see `requireLease`.
   */
  read<T>(query: (db: DatabaseSync) => T): T {
    return query(this.#database.reader);
  }

  /**
   * To be called after the last `read` for a reply, before that leaves.
   * @throws ZSTOR_CATALOG_NOT_SERVING when another head may serve by now
   */
  requireLease(): void {
    this.#serving().head.requireLease();
  }

  /** The file of the tables, for readers of their own; never to be written. */
  get databasePath(): string {
    return this.#database.path;
  }

  /** Of the snapshots from which the tables could be made again, the newest first. */
  get snapshotPointers(): readonly Buffer[] {
    return this.#service?.head.snapshots.map(pointerOf) ?? [];
  }

  /**
   * The date by which whatever ends on a date is judged, ms since 1970: the earlier of the clock here
   * and the median of the members', never less than before. Undefined while this head does not serve,
   * and while nobody can be sure, because the clocks are more than 60 s apart: nothing that has a date
   * is deleted then, and `datesProblem` says why.
   */
  datesMs(): number | undefined {
    return this.isServing ? this.#service?.head.datesMs : undefined;
  }

  /**
   * When a term begins that is counted from now, ms since 1970: the latest of the clock here, the median
   * of the members', and the dates that were seen before. Only the clock while this head does not serve.
   */
  latestDateMs(): number {
    return this.#service?.head.latestDateMs ?? this.#clock.nowMs();
  }

  /** Why there is no date. */
  get datesProblem(): string | undefined {
    return this.#service?.head.dates.problem;
  }

  /**
   * For whoever is about to add something: the last room on the disk of the tables is for what has to go
   * on. @throws ZSTOR_CATALOG_NO_ROOM
   */
  requireRoom(): void {
    this.#room.require();
  }

  /** Writes a snapshot now. @throws ZSTOR_CATALOG_NO_ROOM for the copy that it is made of */
  async takeSnapshot(): Promise<void> {
    const { head, commits } = this.#serving();
    this.#room.require(this.#database.sizeBytes);
    await this.#snapshots.take(this.#database, head, commits);
  }

  /** Has the members drop what snapshots have, now: in the background that comes by itself. */
  cutLog(): Promise<void> {
    return this.#serving().head.fillMembers();
  }

  /**
   * Gives the place of a member to another one, which gets a copy of the log first.
   * @throws ZSTOR_CATALOG_MEMBER_FAILED, ZSTOR_CATALOG_NOT_EMPTY, ZSTOR_CATALOG_NOT_SERVING
   */
  async replaceMember(id: string, name: string): Promise<void> {
    const { head, commits } = this.#serving();
    await head.replaceMember(id, name, (run) =>
      commits.exclusive(async () => {
        await run();
        this.#database.advance(head.state);
      }),
    );
  }

  /** Runs `run` while this head keeps no change. One that does not serve keeps none anyway. */
  hold(run: () => Promise<void>): Promise<void> {
    return this.#service?.commits.exclusive(run) ?? run();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #serving(): Service {
    const service = this.#service;
    if (service === undefined || !this.isServing) throw notServing('it follows the log');
    return service;
  }

  #start(): void {
    const onError = (err: unknown): void => this.#logger.warn({ err }, 'catalog work failed');
    const options = { clock: this.#clock, onError };
    this.#tasks.start('follow', (signal) =>
      repeat(watchEveryMs, () => this.#follow(), { ...options, signal }),
    );
    const care = new CatalogCare(this, this.#o, this.#clock);
    this.#tasks.start('care', (signal) =>
      repeat(careEveryMs, () => (this.isServing ? care.look() : care.reset()), {
        ...options,
        signal,
      }),
    );
  }

  async #follow(): Promise<void> {
    if (this.isServing) return;
    await this.#turns.run(async () => {
      if (this.isServing) return;
      await this.#stopServing();
      const { openMember } = this.#o;
      this.#tail ??= new LogTail(this.#cipher, openMember, this.#applier(), this.#clock);
      const tail = this.#tail;
      await this.#reach(() => tail.advance());
    });
  }

  async #stopServing(): Promise<void> {
    const service = this.#service;
    this.#service = undefined;
    await service?.head.close();
    // What was under way has failed by now, and is undone before anything else is applied.
    await service?.commits.idle();
  }

  async #stopFollowing(): Promise<void> {
    const tail = this.#tail;
    this.#tail = undefined;
    await tail?.close();
  }

  #reach<T>(run: () => Promise<T>): Promise<T> {
    const log = this.#database.logId ?? Buffer.alloc(0);
    return this.#membersNow.reach(log, () => this.#applier().state, run);
  }

  #applier(): LogApplier {
    const [database, membersNow] = [this.#database, this.#membersNow];
    return {
      get state() {
        return membersNow.in(database.state ?? firstState([]));
      },
      apply: (records) => database.apply(records),
      load: (note, membership) => this.#snapshots.load(database, note, membership),
    };
  }

  #headOptions(): ConstructorParameters<typeof LogHead>[0] {
    return {
      cipher: this.#cipher,
      openMember: this.#o.openMember,
      applier: this.#applier(),
      schema: this.#o.schema.length,
      highestDateMs: () => this.#database.highestDateMs,
      clock: this.#clock,
      random: this.#o.random ?? systemRandom,
      logger: this.#logger,
      onLost: (err) => {
        this.#lostBy = err.code;
        this.#logger.warn({ err }, 'this head writes the log no more');
      },
    };
  }
}
