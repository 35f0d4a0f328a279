import assert from 'node:assert/strict';
import {
  closeOnce,
  GridError,
  isGridError,
  Mutex,
  repeat,
  systemClock,
  TaskGroup,
} from '@commongrid/base';
import type { Clock, Logger, Random } from '@commongrid/base';
import type { ZstorErrorCode } from '../errors.ts';
import { follow } from './chain.ts';
import type { ChainState, SnapshotNote } from './chain.ts';
import { Dates } from './dates.ts';
import { confirmEveryMs, Lease, notServing } from './lease.ts';
import { askMajority } from './majority.ts';
import { joinMember } from './join-member.ts';
import { MemberFiller } from './member-filler.ts';
import type { FillSource } from './member-filler.ts';
import type { MemberLink } from './member-link.ts';
import { membershipEntry, snapshotsEntry } from './notes.ts';
import { PackingHabit } from './packing-habit.ts';
import { Roster } from './roster.ts';
import type { OpenMember } from './roster.ts';
import { takeOver } from './take-over.ts';
import type { LogApplier } from './take-over.ts';
import type { TlogCipher } from './tlog-cipher.ts';
import { encodeRecord, makeRecord, recordKey } from './tlog-record.ts';
import type { TlogKind, TlogRecord } from './tlog-record.ts';

/** How long a majority may take to keep a record. */
const appendTimeoutMs = 2_000;
/** How often members are asked for the time. */
const timeEveryMs = 10_000;
/** How often members that miss something are looked at. */
const fillEveryMs = 500;
/** Snapshots that are kept; what is older than all of them leaves the log. */
const snapshotsKept = 2;

export interface LogHeadOptions {
  readonly cipher: TlogCipher;
  readonly openMember: OpenMember;
  readonly applier: LogApplier;
  readonly schema: number;
  /** The highest date that the tables know of. Default 0. */
  readonly highestDateMs?: () => number;
  readonly clock?: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** Called once when this head may not write any more. */
  readonly onLost: (error: GridError) => void;
}

/** How a member does, as this head sees it. */
export interface MemberState {
  readonly name: string;
  readonly id: string;
  /** It is connected, or was at its last answer, and follows this head. */
  readonly isBound: boolean;
  /** It has all up to here. */
  readonly completeTo: number;
  /** Why it could not be brought up to date. */
  readonly problem: string | undefined;
  /** It answers, but has lost what it had. */
  readonly isWiped: boolean;
}

/** The one that writes the log. Begins with a take-over, ends with the first failure. */
export class LogHead implements AsyncDisposable {
  readonly fence: number;
  readonly lease: Lease;
  readonly dates: Dates;
  readonly #o: LogHeadOptions;
  readonly #clock: Clock;
  readonly #roster: Roster;
  readonly #filler: MemberFiller;
  readonly #tasks: TaskGroup;
  readonly #packing = new PackingHabit();
  readonly #problems = new Map<MemberLink, unknown>();
  readonly #filling = new Mutex();
  #state: ChainState;
  #snapshots: readonly SnapshotNote[];
  #groups: readonly (readonly MemberLink[])[];
  /** Get all records, and do not count yet. */
  #learners: readonly MemberLink[] = [];
  #isAppending = false;
  #lost: GridError | undefined;

  /** Use `open`. */
  constructor(o: LogHeadOptions, roster: Roster, taken: Awaited<ReturnType<typeof takeOver>>) {
    this.#o = o;
    this.#clock = o.clock ?? systemClock;
    this.#roster = roster;
    this.fence = taken.fence;
    this.#state = taken.state;
    this.#snapshots = taken.snapshots;
    this.#groups = [roster.group(taken.state.membership)];
    this.lease = new Lease(this.#clock);
    this.dates = new Dates(this.#clock, o.highestDateMs?.() ?? 0);
    const { logger } = o;
    this.#tasks = new TaskGroup({ onError: (err, name) => logger.error({ err, name }, 'failed') });
    this.#filler = new MemberFiller(o.cipher, () => this.#fillSource, this.#clock);
  }

  /**
   * Takes the log over, which lasts a second and a half at least.
   * @throws what `takeOver` throws
   */
  static async open(options: LogHeadOptions, signal?: AbortSignal): Promise<LogHead> {
    const { cipher, openMember, clock = systemClock } = options;
    await using stack = new AsyncDisposableStack();
    const roster = stack.use(new Roster(openMember, cipher.logId));
    const taken = await takeOver({ ...options, clock, roster, signal });
    const head = new LogHead(options, roster, taken);
    stack.defer(() => head.close());
    await head.#noteAgain();
    await head.#confirm();
    head.#start();
    stack.move();
    return head;
  }

  /** What follows from all records that are on a majority. */
  get state(): ChainState {
    return this.#state;
  }

  get snapshots(): readonly SnapshotNote[] {
    return this.#snapshots;
  }

  /** The last record that two snapshots have, less one: that one says where the rest begins. */
  get removableTo(): number {
    const oldest = this.#snapshots[snapshotsKept - 1];
    return oldest === undefined ? 0 : oldest.index - 1;
  }

  /** Why it may not write any more. */
  get lost(): GridError | undefined {
    return this.#lost;
  }

  /** See `Dates`. @returns ms since 1970; undefined while nobody can be sure */
  get datesMs(): number | undefined {
    const before = this.dates.problem;
    const nowMs = this.dates.now(this.#state.membership.members.map(({ id }) => id));
    const { problem } = this.dates;
    if (problem !== undefined && problem !== before) {
      this.#o.logger.error({ problem }, 'there is no date: nothing that has one is deleted');
    }
    return nowMs;
  }

  /** See `Dates.latest`. */
  get latestDateMs(): number {
    return this.dates.latest(this.#state.membership.members.map(({ id }) => id));
  }

  get members(): readonly MemberState[] {
    return this.#links.map((link) => ({
      ...link.who,
      isBound: link.isBound,
      completeTo: link.completeTo(this.#state.index),
      problem: problemText(this.#problems.get(link)),
      isWiped: isGridError(this.#problems.get(link), 'ZSTOR_CATALOG_MEMBER_WIPED'),
    }));
  }

  /** @throws ZSTOR_CATALOG_NOT_SERVING when another head may serve by now */
  requireLease(): void {
    if (this.#lost !== undefined) throw notServing(this.#lost.message);
    if (!this.lease.isValid) throw notServing('no majority of the log has confirmed it in time');
  }

  /**
   * Puts the next record on a majority. One at a time. When it fails the head is lost: the record
   * may be in the log or not, and only a take-over decides that.
   * @throws ZSTOR_CATALOG_FENCED, ZSTOR_CATALOG_NO_MAJORITY
   */
  async append(kind: TlogKind, body: Uint8Array): Promise<TlogRecord> {
    if (this.#lost !== undefined) throw this.#lost;
    assert(!this.#isAppending, 'records are appended one at a time');
    this.#isAppending = true;
    const { cipher } = this.#o;
    const { index, hash, epoch } = this.#state;
    const draft = { kind, epoch, index: index + 1, prevHash: hash, body };
    const written = { fence: this.fence, committed: index };
    const record = makeRecord(cipher, draft, written, this.#packing);
    const entry = { key: recordKey(record.index), value: encodeRecord(cipher, record) };
    const asked = this.lease.now();
    for (const link of this.#learners) this.#tell(link, link.append(record.index, entry));
    try {
      await askMajority(this.#groups, (link) => link.append(record.index, entry), {
        timeoutMs: appendTimeoutMs,
        what: `record ${record.index} of the log`,
        clock: this.#clock,
      });
    } catch (error) {
      throw this.#lose(error);
    } finally {
      this.#isAppending = false;
    }
    this.lease.confirm(asked);
    this.#state = follow(this.#state, record);
    return record;
  }

  /** Nothing more is written: what is applied here is not what the log has. */
  giveUp(cause: unknown): void {
    this.#lose(cause);
  }

  /** Notes a snapshot of all up to `index`; what is older than the one before may go. */
  async addSnapshot(snapshot: SnapshotNote): Promise<void> {
    const snapshots = [snapshot, ...this.#snapshots].slice(0, snapshotsKept);
    await this.#writeNotes(snapshots);
    // Only now may anything go: whoever reads a majority finds the notes.
    this.#snapshots = snapshots;
  }

  /**
   * Gives the place of a member to `name`, which may be the same one, emptied. It gets a copy of the
   * log first; `exclusive` runs what it is given while nothing else is appended.
   * @throws ZSTOR_CATALOG_MEMBER_FAILED, ZSTOR_CATALOG_NOT_EMPTY
   */
  async replaceMember(
    id: string,
    name: string,
    exclusive: (run: () => Promise<void>) => Promise<void>,
  ): Promise<void> {
    const { signal } = this.#tasks;
    const link = await joinMember(this.#o, this.#roster, {
      name,
      fence: this.fence,
      removedTo: this.removableTo,
      known: this.#state.membership,
    });
    this.#learners = [...this.#learners, link];
    try {
      await this.#filler.fill(link, signal);
      await exclusive(() => this.#change(id, link, signal));
    } finally {
      this.#learners = this.#learners.filter((each) => each !== link);
    }
  }

  /**
   * Has all members keep what they should: what they miss is copied to them, what two snapshots have is
   * removed. It goes on by itself in the background.
   */
  fillMembers(): Promise<void> {
    return this.#filling.run(() => this.#fillAll());
  }

  readonly close: () => Promise<void> = closeOnce(async () => {
    await this.#tasks.close();
    if (this.#lost === undefined) await this.#filler.noteAll();
    this.#lost ??= notServing('it is closed');
    await this.#roster.close();
  });

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  get #fillSource(): FillSource {
    const { index } = this.#state;
    return { fence: this.fence, index, removableTo: this.removableTo, groups: this.#groups };
  }

  get #links(): readonly MemberLink[] {
    return [...new Set([...this.#groups.flat(), ...this.#learners])];
  }

  /** The record that changes the members needs a majority of the former and of the new ones. */
  async #change(id: string, link: MemberLink, signal: AbortSignal): Promise<void> {
    await this.#filler.fill(link, signal);
    const { members } = this.#state.membership;
    const changed = members.map((who) => (who.id === id ? link.who : who));
    const former = this.#groups;
    const group = changed.map((who) => this.#roster.link(who));
    this.#learners = this.#learners.filter((each) => each !== link);
    this.#groups = [...former, group];
    await this.append('members', Buffer.from(JSON.stringify(changed)));
    this.#groups = [group];
    const entry = membershipEntry(this.#o.cipher, this.#state.membership);
    await this.#ask('noting the members', (each) => each.member.put([entry]));
  }

  /** What this head goes by may be on a minority: a former head was about to note it. */
  async #noteAgain(): Promise<void> {
    if (this.#snapshots.length > 0) await this.#writeNotes(this.#snapshots);
  }

  async #writeNotes(snapshots: readonly SnapshotNote[]): Promise<void> {
    const { cipher } = this.#o;
    // The record that says who the members are may leave the log by this, too.
    const members = membershipEntry(cipher, this.#state.membership);
    const entries = [snapshotsEntry(cipher, snapshots), members];
    await this.#ask('noting snapshots', (link) => link.member.put(entries));
  }

  async #confirm(): Promise<void> {
    const asked = this.lease.now();
    await this.#ask('confirming the fence', (link) => link.confirm());
    this.lease.confirm(asked);
  }

  /** What they answer is kept; who does not answer has not told. */
  async #askTimes(): Promise<void> {
    await Promise.allSettled(
      this.#groups.flat().map(async (link) => {
        const askedMs = this.#clock.monotonicMs();
        this.dates.told(link.id, await link.member.timeMs(), askedMs);
      }),
    );
  }

  #start(): void {
    const { clock = systemClock, logger } = this.#o;
    this.#tasks.start('lease', (signal) =>
      repeat(confirmEveryMs, () => this.#keepLease(), { signal, clock }),
    );
    this.#tasks.start('time', (signal) =>
      repeat(timeEveryMs, () => this.#askTimes(), { signal, clock }),
    );
    const onError = (err: unknown): void => logger.error({ err }, 'filling members failed');
    this.#tasks.start('fill', (signal) =>
      repeat(fillEveryMs, () => this.fillMembers(), { signal, clock, onError }),
    );
  }

  async #keepLease(): Promise<void> {
    if (this.#lost !== undefined) return;
    try {
      await this.#confirm();
    } catch (error) {
      // Without a majority the lease runs out by itself, and may be confirmed again later.
      if (isGridError(error, 'ZSTOR_CATALOG_FENCED')) this.#lose(error);
    }
  }

  async #fillAll(): Promise<void> {
    const { signal } = this.#tasks;
    if (this.#lost !== undefined) return;
    await Promise.all(
      this.#groups.flat().map(async (link) => {
        try {
          if (link.hasForgotten) await this.#remind(link);
          await this.#filler.fill(link, signal);
          // One that misses nothing may be away all the same.
          if (link.silence === undefined) this.#problems.delete(link);
          else this.#note(link, link.silence);
        } catch (error) {
          this.#note(link, error);
        }
      }),
    );
  }

  /** Its disk is an old copy: the records are filled in as ever, and this stands beside them. */
  async #remind(link: MemberLink): Promise<void> {
    const { cipher, logger } = this.#o;
    logger.warn(
      { member: link.name },
      'a member of the log forgot what it confirmed: it is filled',
    );
    const members = membershipEntry(cipher, this.#state.membership);
    await link.member.put([members, snapshotsEntry(cipher, this.#snapshots)]);
    link.remind();
  }

  #note(link: MemberLink, error: unknown): void {
    if (!this.#problems.has(link)) {
      this.#o.logger.warn({ err: error, member: link.name }, 'a member of the log is not in step');
    }
    this.#problems.set(link, error);
  }

  /** A learner that does not take a record misses it, which the filler makes good. */
  #tell(link: MemberLink, told: Promise<void>): void {
    told.catch((error: unknown) => this.#note(link, error));
  }

  #ask(what: string, ask: (link: MemberLink) => Promise<void>): Promise<unknown> {
    return askMajority(this.#groups, ask, { timeoutMs: appendTimeoutMs, what, clock: this.#clock });
  }

  #lose(error: unknown): GridError {
    if (this.#lost !== undefined) return this.#lost;
    this.#lost = isGridError(error) ? error : unexpected(error);
    this.#o.onLost(this.#lost);
    return this.#lost;
  }
}

function problemText(problem: unknown): string | undefined {
  if (problem === undefined) return undefined;
  return problem instanceof Error ? problem.message : 'unknown';
}

function unexpected(cause: unknown): GridError<ZstorErrorCode> {
  return new GridError('ZSTOR_CATALOG_NO_MAJORITY', 'appending to the log failed', { cause });
}
