import { GridError, isGridError, silentLogger } from '@commongrid/base';
import type { Logger } from '@commongrid/base';
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
}

/** Notes of peers that this database is not far enough for, which are compared later. */
const laterMax = 64;

/** Time for the database to compare a note, ms. */
const compareMs = 10_000;

/**
 * The log as this bot sees it through its database, held against what others see: bots show each other
 * the newest checkpoint when they meet. Two that contradict each other are kept as evidence. Where the
 * sequencer signed both, nothing new starts here any more.
 */
export class LogView {
  readonly log: string;
  readonly #o: LogViewOptions;
  readonly #logger: Logger;
  readonly #later = new Set<string>();
  #client: Promise<BcdbClient> | undefined;

  constructor(options: LogViewOptions) {
    this.#o = options;
    this.log = options.trust.log;
    this.#logger = options.logger ?? silentLogger;
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
    try {
      return await work(await this.#connected(signal), signal);
    } catch (error) {
      throw await this.#judged(error);
    }
  }

  /** The newest checkpoint that was seen; asks for one where there is none yet. */
  async note(signal: AbortSignal): Promise<string> {
    return this.use(async (client) => {
      if (client.lastCheckpoint === undefined) await client.checkpoint({ signal });
      return client.lastCheckpoint ?? '';
    }, signal);
  }

  /**
   * Holds a checkpoint that a peer was shown against what is seen here. Where the database cannot tell
   * now, the note is compared by `settle`.
   * @throws BOT_LOG_FORKED, BOT_OTHER_LOG, BOT_FRAME_INVALID for a note that nobody signed
   */
  async hear(note: string): Promise<void> {
    const signal = AbortSignal.timeout(compareMs);
    try {
      if (await this.use((client) => client.compare(note, { signal }), signal)) return;
    } catch (error) {
      if (isGridError(error, 'BCDB_OTHER_LOG')) throw otherLog(error);
      if (isGridError(error) && badNotes.has(error.code)) throw badNote(error);
      const isAway = isGridError(error) && (error.retryable || error.code === 'BASE_ABORTED');
      if (!isAway) throw error;
    }
    if (this.#later.size < laterMax) this.#later.add(note);
  }

  /** Compares notes that could not be before, and keeps what was seen for the next start. */
  async settle(): Promise<void> {
    const notes = [...this.#later];
    this.#later.clear();
    for (const note of notes) {
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

  async #connected(signal: AbortSignal): Promise<BcdbClient> {
    const connecting = (this.#client ??= this.#connect(signal));
    try {
      return await connecting;
    } catch (reason) {
      if (this.#client === connecting) this.#client = undefined;
      throw reason;
    }
  }

  async #connect(signal: AbortSignal): Promise<BcdbClient> {
    const { url, trust, key, heads } = this.#o;
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
