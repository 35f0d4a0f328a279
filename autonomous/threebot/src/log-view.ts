import {
  abortError,
  GridError,
  isGridError,
  silentLogger,
  systemClock,
  throwIfAborted,
} from '@commongrid/base';
import type { Clock, Logger } from '@commongrid/base';
import { BcdbClient } from '@commongrid/bcdb/client';
import type { BcdbClientOptions } from '@commongrid/bcdb/client';
import type { BotErrorCode } from './errors.ts';

type Trust = BcdbClientOptions['trust'];

/** Keeps what was seen of a log over restarts, and what contradicts itself. */
export interface HeadsKeeper {
  newest(): Promise<{ readonly note: string; readonly handovers?: Trust['handovers'] } | undefined>;
  keep(head: {
    readonly size: number;
    readonly note: string;
    readonly handovers?: Trust['handovers'];
  }): Promise<void>;
  /** Returns where it is; undefined where there is no room. */
  keepEvidence(error: GridError): Promise<string | undefined>;
}

export interface LogViewOptions {
  /** HTTP door of a database. */
  readonly url: string;
  readonly trust: Trust;
  /** Key of this bot: reads and writes are in its name. */
  readonly key: NonNullable<BcdbClientOptions['key']>;
  readonly heads: HeadsKeeper;
  /** Where a halt is kept. */
  readonly halts: { readonly halt: string | undefined; setHalt(why: string): void };
  readonly logger?: Logger;
  readonly clock?: Clock;
}

/** Whether the database answered the last question; `unasked` before there was one. */
export type DatabaseState = 'there' | 'away' | 'unasked';

/** Notes of peers that this database is not far enough for, which are compared later. */
const laterMax = 64;

/** Time for the database to compare a note, ms. */
const compareMs = 10_000;

/** The same while it does not answer, ms: whoever showed the note waits for that. */
const compareAwayMs = 1_000;

/** Time for the connection to be made, ms. */
const connectMs = 10_000;

/**
 * The log as this bot sees it through its database, held against what others see: bots show each other
 * the newest checkpoint when they meet. Two that contradict each other are kept as evidence. Where the
 * sequencer signed both, nothing new starts here any more.
 */
export class LogView implements Disposable {
  readonly log: string;
  readonly #o: LogViewOptions;
  readonly #logger: Logger;
  readonly #later = new Set<string>();
  readonly #clock: Clock;
  readonly #closing = new AbortController();
  #client: Promise<BcdbClient> | undefined;
  #database: DatabaseState = 'unasked';
  #answeredMs: number | undefined;

  constructor(options: LogViewOptions) {
    this.#o = options;
    this.log = options.trust.log;
    this.#logger = options.logger ?? silentLogger;
    this.#clock = options.clock ?? systemClock;
  }

  /** How the database did when it was asked last, and when it answered last: ms since 1970. */
  get database(): { readonly state: DatabaseState; readonly answeredMs: number | undefined } {
    return { state: this.#database, answeredMs: this.#answeredMs };
  }

  /** @throws BOT_LOG_FORKED where nothing new may start */
  readonly requireSound = (): void => {
    const why = this.#o.halts.halt;
    if (why === undefined) return;
    throw forked(`the log was found to contradict itself: ${why}`);
  };

  /**
   * Does something with the connection to the database.
   * @throws BOT_LOG_FORKED, BCDB_UNREACHABLE and what `work` throws
   */
  async use<T>(
    work: (client: BcdbClient, signal: AbortSignal) => Promise<T>,
    signal: AbortSignal,
  ): Promise<T> {
    const result = await this.#do(work, signal);
    this.#answered();
    return result;
  }

  /** The same of something that may have been done without a question. */
  async #do<T>(
    work: (client: BcdbClient, signal: AbortSignal) => Promise<T>,
    signal: AbortSignal,
  ): Promise<T> {
    try {
      return await work(await this.#connected(signal), signal);
    } catch (error) {
      if (isUnanswered(error, signal)) this.#database = 'away';
      else if (isGridError(error) && error.code.startsWith('BCDB_')) this.#answered();
      throw await this.#judged(error);
    }
  }

  /**
   * The newest checkpoint that was seen; asks for one where there is none yet. While nobody answers, what was
   * kept of an earlier start is the newest.
   */
  async note(signal: AbortSignal): Promise<string> {
    try {
      return await this.#do(async (client) => {
        if (client.lastCheckpoint === undefined) await client.checkpoint({ signal });
        return client.lastCheckpoint ?? '';
      }, signal);
    } catch (error) {
      const kept = isAway(error) ? await this.#o.heads.newest() : undefined;
      if (kept === undefined) throw error;
      return kept.note;
    }
  }

  /**
   * Holds a checkpoint that a peer was shown against what is seen here. Where the database cannot tell
   * now, the note is compared by `settle`.
   * @throws BOT_LOG_FORKED, BOT_OTHER_LOG, BOT_FRAME_INVALID for a note that nobody signed
   */
  async hear(note: string): Promise<void> {
    const isAsked = this.#database !== 'away';
    const signal = AbortSignal.timeout(isAsked ? compareMs : compareAwayMs);
    try {
      if (await this.#do((client) => client.compare(note, { signal }), signal)) return;
    } catch (error) {
      if (isGridError(error, 'BCDB_OTHER_LOG')) throw otherLog(error);
      if (isGridError(error) && badNotes.has(error.code)) throw badNote(error);
      if (!isAway(error)) throw error;
    }
    if (this.#later.size < laterMax) this.#later.add(note);
  }

  /** Compares notes that could not be before, and keeps what was seen for the next start. */
  async settle(): Promise<void> {
    const notes = [...this.#later];
    this.#later.clear();
    for (const note of notes) {
      if (this.#later.size > 0) {
        // The database cannot tell now.
        this.#later.add(note);
        continue;
      }
      await this.hear(note).catch((error: unknown) => {
        this.#logger.warn({ err: error }, 'a checkpoint of a peer does not hold');
      });
    }
    const client = await this.#client?.catch(() => undefined);
    if (client?.lastHead === undefined || client.lastCheckpoint === undefined) return;
    const { size } = client.lastHead;
    const { handovers } = client.trust;
    const kept = { size, note: client.lastCheckpoint, ...(handovers && { handovers }) };
    await this.#o.heads.keep(kept);
  }

  /** Gives up a connection that is being made. */
  [Symbol.dispose](): void {
    this.#closing.abort();
  }

  #answered(): void {
    this.#database = 'there';
    this.#answeredMs = this.#clock.nowMs();
  }

  /** Made once for all who ask at the same time; each of them waits as long as he likes. */
  async #connected(signal: AbortSignal): Promise<BcdbClient> {
    throwIfAborted(signal);
    const stopped = Promise.withResolvers<never>();
    const stop = (): void => stopped.reject(abortError(signal));
    signal.addEventListener('abort', stop, { once: true });
    try {
      return await Promise.race([(this.#client ??= this.#connect()), stopped.promise]);
    } finally {
      signal.removeEventListener('abort', stop);
    }
  }

  #connect(): Promise<BcdbClient> {
    const connecting = this.#open();
    connecting.catch(() => {
      if (this.#client === connecting) this.#client = undefined;
    });
    return connecting;
  }

  async #open(): Promise<BcdbClient> {
    const { url, trust, key, heads } = this.#o;
    const signal = AbortSignal.any([this.#closing.signal, AbortSignal.timeout(connectMs)]);
    const seen = await heads.newest();
    return BcdbClient.connect({
      ...{ url, key, signal },
      trust: seen?.handovers === undefined ? trust : { ...trust, handovers: seen.handovers },
      ...(seen === undefined ? {} : { lastCheckpoint: seen.note }),
    });
  }

  async #judged(thrown: unknown): Promise<unknown> {
    if (!isGridError(thrown) || !contradictions.has(thrown.code)) return thrown;
    const error: GridError = thrown;
    const file = await this.#o.heads.keepEvidence(error).catch(() => undefined);
    this.#logger.error({ err: error, evidence: file }, 'the log contradicts what was seen of it');
    // What only the database says may be its own mistake; what the sequencer signed twice is not.
    if (error.details['isProven'] === true) this.#o.halts.setHalt(error.message);
    return forked(error.message, error, file);
  }
}

/** Whether the database may do it at another time. */
function isAway(error: unknown): error is GridError {
  return isGridError(error) && (error.retryable || error.code === 'BASE_ABORTED');
}

/** Whether it is the database that did not answer in time, and not whoever asked that gave up. */
function isUnanswered(error: unknown, { reason }: AbortSignal): boolean {
  const isOver = reason instanceof DOMException && reason.name === 'TimeoutError';
  return isGridError(error, 'BCDB_UNREACHABLE') || (isGridError(error, 'BASE_ABORTED') && isOver);
}

const contradictions: ReadonlySet<string> = new Set(['BCDB_LOG_FORKED', 'BCDB_LOG_ROLLED_BACK']);

const badNotes: ReadonlySet<string> = new Set(['BCDB_CHECKPOINT_UNSIGNED', 'BCDB_NOTE_INVALID']);

function forked(why: string, cause?: unknown, file?: string): GridError<BotErrorCode> {
  return new GridError('BOT_LOG_FORKED', why, {
    hint: 'ask other bots what they see; the two signed heads are kept as evidence',
    details: file === undefined ? {} : { evidence: file },
    cause,
  });
}

function otherLog(cause: unknown): GridError<BotErrorCode> {
  return new GridError('BOT_OTHER_LOG', 'the other side shows a checkpoint of another log', {
    cause,
  });
}

function badNote(cause: unknown): GridError<BotErrorCode> {
  return new GridError('BOT_FRAME_INVALID', 'the checkpoint that was shown is signed by nobody', {
    cause,
  });
}
