import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { closeOnce, isGridError, silentLogger, systemClock } from '@commongrid/base';
import type { Clock, GridError, Logger } from '@commongrid/base';
import { everyone } from '@commongrid/model';
import type { ReaderId } from '@commongrid/model';
import type { BcdbErrorCode } from '../errors.ts';
import { emptyFeed } from '../feeds/feed-hash.ts';
import type { FeedsReply, FeedsRequest } from '../feeds/feeds-reply.ts';
import type { StoredEntry } from '../log/log-engine.ts';
import type { TreeHead } from '../record/envelope.ts';
import { Evidence } from '../sequencer/evidence.ts';
import type { ObjectName } from '../state/state-view.ts';
import type { Trust } from '../tree/verifier.ts';
import { askFeeds } from './ask-feeds.ts';
import { branchGivenUp, extendedTrust, isKept } from './handed-over.ts';
import { headAgeSeconds } from './head-age.ts';
import { requireFreshHead } from './head-check.ts';
import type { SeenHead } from './head-check.ts';
import { countOf, LightCheck } from './light-check.ts';
import type { CheckedReply, HeldFeed, LightStanding } from './light-check.ts';
import type { LightSource } from './light-source.ts';
import { Rounds } from './rounds.ts';
import type { Round } from './rounds.ts';
import { openLightStore, renewLightStore } from './light-folder.ts';
import type { LightArrival } from './light-change.ts';
import type { LightObject, LightStore, WholeView } from './light-store.ts';

export interface LightFollowerOptions {
  /** Folder of the follower; made when missing. */
  readonly dataDir: string;
  /** From a join token or a recovery card. */
  readonly trust: Trust;
  /** Whose feed it follows, beside that of everyone. */
  readonly reader: ReaderId;
  readonly source: LightSource;
  readonly clock?: Clock;
  readonly logger?: Logger;
}

export interface LightFollowOptions {
  readonly signal: AbortSignal;
  /**
   * How long a source may hold back its answer while there is no news, ms: by so much the view ages in
   * between. 25,000 at most. Default 1000.
   */
  readonly waitMs?: number;
}

/**
 * Follows what concerns one reader, and knows that this is all of it, without the rest of the log.
 *
 * A round asks for what is missing, verifies every word (see `LightCheck`), and takes it in only
 * when the feeds are whole by the newest tick: what can be looked up has never been less than that,
 * and never goes back. What shows that the sequencer contradicts itself is kept as evidence and
 * halts the follower; any other lie may be the source's, and the next round may be better.
 *
 * A checkpoint by an unknown key makes it ask for handovers. It goes on under the new key; where what
 * it has was given up, or it was halted, it says so once, keeps the former store beside, and begins
 * anew.
 */
export class LightFollower implements AsyncDisposable {
  readonly close: () => Promise<void>;
  readonly #options: LightFollowerOptions;
  #store: LightStore;
  readonly #evidence: Evidence;
  #trust: Trust;
  #check: LightCheck;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #rounds: Rounds;
  #whole: WholeView | undefined;
  /** When that was asked for in this run, by the monotonic clock. */
  #askedMs: number | undefined;
  #problem: GridError | undefined;
  /** The last round went well, so that the next one need not know at once how things are. */
  #mayWait = false;

  private constructor(options: LightFollowerOptions, store: LightStore, evidence: Evidence) {
    const { trust, clock = systemClock, logger = silentLogger } = options;
    this.#options = options;
    this.#store = store;
    this.#evidence = evidence;
    this.#logger = logger;
    this.#trust = extendedTrust(trust, store.succession, logger);
    this.#check = new LightCheck(this.#trust);
    this.#clock = clock;
    this.#whole = store.whole;
    this.#problem = store.halted;
    this.#rounds = new Rounds({ clock, run: (round) => this.#sync(round) });
    this.close = closeOnce(async () => {
      await this.#rounds.close();
      this.#store.close();
    });
  }

  /** Goes on where the folder's follower ended. @throws BCDB_OTHER_LOG */
  static async open(options: LightFollowerOptions): Promise<LightFollower> {
    const { dataDir, trust, reader, logger = silentLogger } = options;
    await mkdir(dataDir, { recursive: true, mode: 0o700 });
    const evidence = await Evidence.open(join(dataDir, 'evidence'), logger);
    const store = openLightStore(dataDir, { log: trust.log, readers: readersOf(reader) });
    return new LightFollower(options, store, evidence);
  }

  /** Size of the log up to which the feeds are whole; 0 before the first round. */
  get size(): number {
    return this.#whole?.size ?? 0;
  }

  /**
   * Size of the log up to its newest tick: what concerns the reader and is below that is here. What came
   * after it is told with the next tick. 0 before the first round.
   */
  get toldSize(): number {
    return (this.#whole?.tick.seq ?? -1) + 1;
  }

  /** The newest head that was verified: what a heartbeat carries. Undefined before the first round. */
  get head(): TreeHead | undefined {
    const seen = this.#store.seen?.head;
    return seen && { size: seen.size, root: seen.root };
  }

  /** Why nothing new may be started by what is known here: the last round was lied to, or it halted. */
  get problem(): GridError | undefined {
    return this.#problem;
  }

  /** Whether it takes nothing more unless the log is handed over: see the evidence. */
  get isHalted(): boolean {
    return this.#store.halted !== undefined;
  }

  /**
   * Whether something new may be started by what is known here.
   * @throws BCDB_VIEW_STALE when the newest head is older than that, and what `problem` holds
   */
  requireFresh(ageMaxSeconds: number): void {
    if (this.#problem !== undefined) throw this.#problem;
    requireFreshHead(this.#whole?.timestamp, ageMaxSeconds, this.#clock.nowMs());
  }

  /** Age of the newest head, s; Infinity before the first round of this run, and while `problem` holds. */
  get ageSeconds(): number {
    if (this.#problem !== undefined || this.#whole === undefined) return Number.POSITIVE_INFINITY;
    const { timestamp } = this.#whole;
    return headAgeSeconds(this.#clock, { timestamp, askedMs: this.#askedMs });
  }

  /** Log time by the newest tick, ms since 1970; 0 before the first round. */
  get at(): number {
    return this.#whole?.tick.at ?? 0;
  }

  /**
   * Log time by the newest sign of the sequencer, ms since 1970: a tick, or a head that it signed later.
   * Where nothing is said there are no ticks, and time goes on. 0 before the first round.
   */
  get logTimeMs(): number {
    return Math.max(this.at, (this.#whole?.timestamp ?? 0) * 1000);
  }

  /** Current version of an object that concerns the reader; undefined when there is none. */
  current(name: ObjectName): LightObject | undefined {
    return this.#store.current(name);
  }

  /** Current versions of all objects of a type that concern the reader, by id. */
  objects(ns: string, url: string): Iterable<LightObject> {
    return this.#store.objects(ns, url);
  }

  /** All records of a feed, by sequence. */
  records(reader: ReaderId): Iterable<StoredEntry> {
    return this.#store.records(reader);
  }

  /** What `arrived` counts in: another text where the folder was begun anew, and all comes again. */
  get epoch(): string {
    return this.#store.epoch;
  }

  /**
   * What came in behind a number of `arrived`, 0 for all, in the order in which it came: of one round
   * by sequence. Records that the reader needs only later come later, with a lower sequence than some
   * before. Each comes once, and `arrived` is durable: a place to go on from after a restart.
   */
  changes(after: number): Iterable<LightArrival> {
    return this.#store.changes(after);
  }

  /** Rounds without end; resolves when it halts or the signal fires. */
  async follow(options: LightFollowOptions): Promise<void> {
    for await (const failure of this.rounds(options)) {
      if (failure !== undefined)
        this.#logger.warn({ err: failure }, 'the log cannot be followed now');
      if (this.isHalted) return;
    }
  }

  /**
   * Rounds until the signal fires, each as soon as there is news, and also while it is halted: a
   * handover ends that. Gives of each why it failed, undefined when it did not.
   */
  rounds(options: LightFollowOptions): AsyncGenerator<Error | undefined, void> {
    const { signal, waitMs = followEveryMs } = options;
    return this.#rounds.each({ signal, waitMs, everyMs: followEveryMs });
  }

  /**
   * One round: afterwards the feeds are whole up to the newest tick. Rounds that are asked for at one
   * time are one.
   * @throws BCDB_FEED_INCOMPLETE, BCDB_FEEDS_DIFFER, BCDB_LOG_FORKED, BCDB_LOG_ROLLED_BACK,
   * BCDB_HANDED_OVER, BCDB_REPLY_INVALID, and what the source throws
   */
  async sync({ signal }: { readonly signal?: AbortSignal } = {}): Promise<void> {
    await this.#rounds.one({ signal });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** @returns whether the next may follow at once: records came in, or this one waited for none */
  async #sync(round: Round): Promise<boolean> {
    const { signal } = round;
    const mayWait = this.#mayWait;
    this.#mayWait = false;
    const { halted } = this.#store;
    if (halted !== undefined && !(await this.#learn(signal))) throw halted;
    this.#requireKept(undefined);
    this.#store.dropPending();
    try {
      let isNews = false;
      let feeds = this.#held();
      for (let isWhole = false; !isWhole;) {
        const isFirst = !isNews && mayWait;
        const askedMs = this.#clock.monotonicMs();
        const checked = await this.#ask(feeds, isFirst ? round : { ...round, waitMs: 0 });
        for (const { reader, items } of checked.feeds) {
          if (items.length === 0) continue;
          this.#store.addPending(reader, items);
          isNews = true;
        }
        feeds = checked.feeds.map(({ items: _items, ...feed }) => feed);
        isWhole = checked.isWhole;
        if (!isWhole) continue;
        this.#keep(checked, feeds);
        this.#askedMs = askedMs;
      }
      this.#problem = undefined;
      this.#mayWait = true;
      return isNews || !mayWait || round.hurry.aborted;
    } catch (error) {
      if (isGridError(error)) this.#judge(error);
      throw error;
    }
  }

  async #ask(feeds: readonly HeldFeed[], round: Round): Promise<CheckedReply> {
    const { seen } = this.#store;
    const asked = feeds.map((feed) => ({ reader: feed.reader, count: countOf(feed) }));
    const request = { size: seen?.head.size ?? 0, feeds: asked };
    const reply = await this.#reply(request, round);
    const next = await this.#newestHead(reply, round.signal);
    const standing: LightStanding = {
      tick: this.#whole?.tick,
      whole: this.#held(),
      feeds,
    };
    let checked: CheckedReply | undefined;
    try {
      checked = this.#check.feeds(reply, next, standing);
      return checked;
    } finally {
      // Also where the rest is a lie; the head of a whole view is kept with it.
      if (checked?.isWhole !== true) this.#store.seen = next;
    }
  }

  async #reply(request: FeedsRequest, round: Round): Promise<FeedsReply> {
    try {
      return await askFeeds(this.#options.source, request, round);
    } catch (error) {
      // The log is shorter than the one that was seen: the source is old, or it was handed over.
      if (isGridError(error, 'BCDB_SEQ_UNKNOWN')) await this.#learn(round.signal);
      throw error;
    }
  }

  /** A key that is not known may be one that the log was handed over to. */
  async #newestHead(reply: FeedsReply, signal: AbortSignal): Promise<SeenHead> {
    try {
      return this.#continued(reply);
    } catch (error) {
      if (!isGridError(error, 'BCDB_CHECKPOINT_UNSIGNED')) throw error;
      if (!(await this.#learn(signal))) throw error;
      return this.#continued(reply);
    }
  }

  /** The former key forked the log, and what is here is of the other branch. */
  #continued(reply: FeedsReply): SeenHead {
    try {
      return this.#check.head(reply, this.#store.seen);
    } catch (error) {
      if (!isGridError(error, 'BCDB_HANDED_OVER')) throw error;
      throw this.#beginAnew(this.#store.succession);
    }
  }

  /**
   * Whether the source shows handovers that were not known here.
   * @throws BCDB_HANDED_OVER when the store had to be begun anew
   */
  async #learn(signal: AbortSignal): Promise<boolean> {
    const succession = await this.#options.source.succession(signal);
    const trust = extendedTrust(this.#trust, succession, this.#logger);
    if (trust === this.#trust) return false;
    this.#trust = trust;
    this.#check = new LightCheck(trust);
    this.#requireKept(succession);
    this.#store.succession = succession;
    return true;
  }

  /** That what is here was not given up. @throws BCDB_HANDED_OVER after it began anew */
  #requireKept(succession: unknown): void {
    const { seen, halted } = this.#store;
    const isSound = halted === undefined || succession === undefined;
    if (isSound && (seen === undefined || isKept(seen.note, this.#trust))) return;
    throw this.#beginAnew(succession);
  }

  /** What is to be said of it, once. */
  #beginAnew(succession: unknown): GridError {
    const { seen } = this.#store;
    const { dataDir, reader } = this.#options;
    const owner = { log: this.#trust.log, readers: readersOf(reader) };
    this.#store = renewLightStore(dataDir, owner, this.#store, succession);
    this.#whole = undefined;
    const hint = 'what is known here is begun anew; the former store is kept beside';
    this.#problem = branchGivenUp(hint, seen?.note, this.#trust);
    return this.#problem;
  }

  #keep({ seen, tick }: CheckedReply, feeds: readonly HeldFeed[]): void {
    const { size, timestamp = 0 } = seen.head;
    const whole: WholeView = { size, timestamp, tick, feeds };
    this.#store.commit(whole, seen);
    this.#whole = whole;
  }

  /** Feeds as they were last whole. */
  #held(): readonly HeldFeed[] {
    return readersOf(this.#options.reader).map(
      (one) =>
        this.#whole?.feeds.find((feed) => feed.reader === one) ?? {
          reader: one,
          head: emptyFeed,
          lastSeq: -1,
        },
    );
  }

  /** What an error says about the source, and about the log. */
  #judge(error: GridError): void {
    if (!lies.has(error.code)) return;
    // One that goes on lying is told of once.
    if (this.#problem?.code !== error.code) {
      this.#logger.error({ err: error }, 'the source of the feeds does not tell the truth');
      this.#evidence.keepContradiction(error, this.#store.seen?.note ?? '');
    }
    this.#problem = error;
    if (error.code === 'BCDB_FEEDS_DIFFER' || error.details['isProven'] === true) {
      this.#store.halt(error);
    }
  }
}

/** Whose feeds a follower of `reader` keeps. */
function readersOf(reader: ReaderId): readonly ReaderId[] {
  return [...new Set<ReaderId>([reader, everyone])];
}

/**
 * How long a round waits for news, ms: the sequencer signs its head anew each second. Also the least time
 * from one round to the next where a source has nothing to say and does not wait.
 */
const followEveryMs = 1000;

/** What no honest source says. */
const lies: ReadonlySet<string> = new Set<BcdbErrorCode>([
  'BCDB_CHECKPOINT_UNSIGNED',
  'BCDB_FEEDS_DIFFER',
  'BCDB_FEED_INCOMPLETE',
  'BCDB_LOG_FORKED',
  'BCDB_LOG_ROLLED_BACK',
  'BCDB_NOTE_INVALID',
  'BCDB_OTHER_LOG',
  'BCDB_SCHEMA_MISMATCH',
]);
