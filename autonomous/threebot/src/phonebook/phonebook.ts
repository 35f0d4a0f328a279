import { GridError, isGridError, systemClock } from '@commongrid/base';
import type { Clock } from '@commongrid/base';
import type { BcdbClient } from '@commongrid/bcdb/client';
import type { BotErrorCode } from '../errors.ts';
import { botUrl, readEntry, requireKey } from './bot-entry.ts';
import type { BotEntry } from './bot-entry.ts';
import type { KeptEntries } from './kept-entries.ts';

/** An entry, and whether it is older than what counts for everything. */
export interface AgedEntry {
  readonly entry: BotEntry;
  /** Nobody could say whether the bot changed it since. */
  readonly isOld: boolean;
}

/** What was seen of a bot stays seen, over restarts. */
export interface SeenRecords {
  /** Place in the log of the newest record that was seen of a bot; -1 for none. */
  seen(id: string): number;
  note(id: string, seq: number): void;
}

export interface PhonebookOptions {
  /** Does something with the connection to the database. */
  readonly use: <T>(
    work: (client: BcdbClient, signal: AbortSignal) => Promise<T>,
    signal: AbortSignal,
  ) => Promise<T>;
  readonly seen: SeenRecords;
  readonly kept: KeptEntries;
  /** See `BotLimits`. */
  readonly recordFreshMs: number;
  readonly recordStaleMs: number;
  readonly recordKeptMs: number;
  readonly clock?: Clock;
}

interface Known {
  readonly entry: BotEntry;
  readonly askedMs: number;
}

/** Entries that are remembered; the one that was asked for longest ago is forgotten. */
const entriesMax = 10_000;

/** Time for the database to answer, ms. */
const askMs = 10_000;

/** The same after it did not, ms: whoever waits for the answer gives up before long. */
const askAgainMs = 2_000;

/** After the database did not answer older answers are taken at once for so long, ms. */
const restMs = 2_000;

/** Age of the newest head, above which its database is behind, s. */
const headAgeSecondsMax = 30;

/** Who bots are, as the log proves it at the newest head that was verified. */
export class Phonebook {
  readonly #options: PhonebookOptions;
  readonly #clock: Clock;
  /** In the order in which they were asked for. */
  readonly #known = new Map<string, Known>();
  readonly #asking = new Map<string, Promise<BotEntry>>();
  /** Until then the database is not asked where an older answer will do. */
  #restsUntilMs = Number.NEGATIVE_INFINITY;
  /** Whether it did not answer the last question. */
  #isAway = false;

  constructor(options: PhonebookOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
  }

  /**
   * What is known of a bot now: a few seconds old at most, or somewhat more while the database does
   * not answer.
   * @throws BOT_UNKNOWN, BOT_RECORD_STALE, BOT_RECORD_INVALID
   */
  async bot(id: string): Promise<BotEntry> {
    return (await this.#current(id, this.#options.recordStaleMs)).entry;
  }

  /** The same; while the database does not answer, what was known of it a day ago will do. */
  knownBot(id: string): Promise<AgedEntry> {
    return this.#current(id, this.#options.recordKeptMs);
  }

  async #current(id: string, oldestMs: number): Promise<AgedEntry> {
    const { recordFreshMs, recordStaleMs } = this.#options;
    const known = this.#remembered(id);
    const ageMs = known === undefined ? Number.POSITIVE_INFINITY : this.#ageMs(known);
    if (known !== undefined && ageMs < recordFreshMs) return { entry: known.entry, isOld: false };
    const fallback =
      known === undefined || ageMs >= oldestMs
        ? undefined
        : { entry: known.entry, isOld: ageMs >= recordStaleMs };
    if (fallback !== undefined && this.#clock.monotonicMs() < this.#restsUntilMs) return fallback;
    try {
      return { entry: await this.#askOnce(id), isOld: false };
    } catch (error) {
      if (!isGridError(error, 'BOT_RECORD_STALE') || fallback === undefined) throw error;
      this.#restsUntilMs = this.#clock.monotonicMs() + restMs;
      return fallback;
    }
  }

  /** Of this process, or of one before it. */
  #remembered(id: string): Known | undefined {
    const known = this.#known.get(id);
    if (known !== undefined) return known;
    const kept = this.#options.kept.of(id);
    if (kept === undefined || kept.entry.seq < this.#options.seen.seen(id)) return undefined;
    const ageMs = this.#clock.nowMs() - kept.atMs;
    // A clock that was put back says nothing of its age.
    if (ageMs < 0) return undefined;
    const { entry } = kept;
    return this.#remember({ entry, askedMs: this.#clock.monotonicMs() - ageMs });
  }

  #remember(known: Known): Known {
    const { id } = known.entry;
    this.#known.delete(id);
    this.#known.set(id, known);
    const [first] = this.#known.keys();
    if (this.#known.size > entriesMax && first !== undefined) this.#known.delete(first);
    return known;
  }

  /**
   * The bot of a name. Which one to look at is the word of the database; that it has this name is proven.
   * @throws BOT_UNKNOWN, and what `bot` throws
   */
  async named(name: string): Promise<BotEntry> {
    for (const { entry } of this.#known.values()) {
      if (entry.name === name) return this.#holding(name, await this.bot(entry.id));
    }
    const { objects } = await this.#ask((client, signal) => {
      const where = { field: 'name', op: 'eq', value: name } as const;
      return client.find('grid', { url: botUrl, where, limit: 1 }, { signal });
    });
    const [first] = objects;
    if (first === undefined) throw unknownBot(undefined);
    return this.#holding(name, await this.bot(first.obj));
  }

  #holding(name: string, entry: BotEntry): BotEntry {
    if (entry.name === name) return entry;
    throw stale(`the database shows a bot of another name for ${name}`);
  }

  /** The same, as the database has it at this moment. */
  renewed(id: string): Promise<BotEntry> {
    return this.#askOnce(id);
  }

  /**
   * The bot that has this key, where it lists it now. A key that is not known to be listed is looked
   * up anew: it may have been listed just now.
   * @param id the bot that it must be; else the database is asked whose it is, and held to it
   * @throws BOT_SENDER_UNKNOWN, BOT_KEY_WRONG, BOT_KEY_ENDED and what `bot` throws
   */
  async holder(key: string, id?: string): Promise<BotEntry> {
    const holder = await this.knownHolder(key, id);
    if (!holder.isOld) return holder.entry;
    throw stale(`nobody says whether ${holder.entry.name} still lists its key`);
  }

  /** The same; while the database does not answer, what was known of the bot a day ago will do. */
  async knownHolder(key: string, id?: string): Promise<AgedEntry> {
    const bot = id ?? this.#knownHolder(key) ?? (await this.#askHolder(key));
    const aged = await this.knownBot(bot);
    if (isListing(aged.entry, key)) return required(aged, key);
    return required({ entry: await this.#askOnce(bot), isOld: false }, key);
  }

  /** Whether a bot is known to list a key: then whose it is costs no question more than once in a while. */
  isKnownHolder(key: string, id?: string): boolean {
    if (id === undefined) return this.#knownHolder(key) !== undefined;
    const known = this.#remembered(id);
    return known !== undefined && isListing(known.entry, key);
  }

  #knownHolder(key: string): string | undefined {
    for (const { entry } of this.#known.values()) {
      if (isListing(entry, key)) return entry.id;
    }
    return undefined;
  }

  async #askHolder(key: string): Promise<string> {
    const { bot } = await this.#ask((client, signal) =>
      client.read<{ readonly bot?: { readonly id: string } }>(
        `/v1/keys/${encodeURIComponent(key)}`,
        { signal },
      ),
    );
    if (bot !== undefined) return bot.id;
    throw new GridError<BotErrorCode>(
      'BOT_SENDER_UNKNOWN',
      'no bot of the phonebook has this key',
      {
        hint: 'list the key in the record of the bot; one that was ended does not count',
        details: { key },
      },
    );
  }

  /** Whoever comes while it is asked gets the same answer. */
  #askOnce(id: string): Promise<BotEntry> {
    const running = this.#asking.get(id);
    if (running !== undefined) return running;
    const asking = this.#askEntry(id).finally(() => this.#asking.delete(id));
    this.#asking.set(id, asking);
    return asking;
  }

  async #askEntry(id: string): Promise<BotEntry> {
    const askedMs = this.#clock.monotonicMs();
    const atMs = this.#clock.nowMs();
    const entry = await this.#ask(async (client, signal) => {
      const found = await readEntry(client, id, signal);
      this.#requireNewest(client, found);
      return found;
    });
    this.#options.seen.note(id, entry.seq);
    this.#options.kept.keep({ entry, atMs });
    this.#remember({ entry, askedMs });
    return entry;
  }

  /** A record that was seen is not taken back, and a head that is not signed anew says little. */
  #requireNewest(client: BcdbClient, { id, seq }: BotEntry): void {
    const seen = this.#options.seen.seen(id);
    if (seq < seen) throw stale(`the database shows an older record of ${id} than was seen`);
    const ageSeconds = this.#clock.nowMs() / 1_000 - (client.lastHead?.timestamp ?? 0);
    if (Math.abs(ageSeconds) <= headAgeSecondsMax) return;
    throw stale(`the newest head of the database is ${Math.round(ageSeconds)} s old`);
  }

  async #ask<T>(what: (client: BcdbClient, signal: AbortSignal) => Promise<T>): Promise<T> {
    const signal = AbortSignal.timeout(this.#isAway ? askAgainMs : askMs);
    try {
      const answer = await this.#options.use(what, signal);
      this.#isAway = false;
      return answer;
    } catch (error) {
      if (isGridError(error, 'BCDB_NOT_FOUND')) throw unknownBot(error);
      const isAway = isGridError(error) && (error.retryable || error.code === 'BASE_ABORTED');
      if (!isAway || error.code === 'BOT_RECORD_STALE') throw error;
      this.#isAway = true;
      throw stale('the database does not answer', error);
    }
  }

  #ageMs({ askedMs }: Known): number {
    return this.#clock.monotonicMs() - askedMs;
  }
}

function isListing({ keys }: BotEntry, key: string): boolean {
  return keys.some((one) => one.key === key);
}

function required(aged: AgedEntry, key: string): AgedEntry {
  requireKey(aged.entry, key);
  return aged;
}

function stale(message: string, cause?: unknown): GridError<BotErrorCode> {
  return new GridError('BOT_RECORD_STALE', message, {
    hint: 'see whether the database answers, and whether the clocks are right',
    retryable: true,
    cause,
  });
}

function unknownBot(cause: unknown): GridError<BotErrorCode> {
  return new GridError('BOT_UNKNOWN', 'the phonebook has no such bot', {
    hint: 'see whether the id is right, and whether that bot is of the same grid',
    cause,
  });
}
