import { GridError, isGridError, systemClock } from '@commongrid/base';
import type { Clock } from '@commongrid/base';
import type { BcdbClient } from '@commongrid/bcdb/client';
import type { BotErrorCode } from '../errors.ts';
import { botUrl, readEntry, requireKey } from './bot-entry.ts';
import type { BotEntry } from './bot-entry.ts';

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
  /** See `BotLimits`. */
  readonly recordFreshMs: number;
  readonly recordStaleMs: number;
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

/** Age of the newest head, above which its database is behind, s. */
const headAgeSecondsMax = 30;

/** Who bots are, as the log proves it at the newest head that was verified. */
export class Phonebook {
  readonly #options: PhonebookOptions;
  readonly #clock: Clock;
  /** In the order in which they were asked for. */
  readonly #known = new Map<string, Known>();
  readonly #asking = new Map<string, Promise<BotEntry>>();

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
    const { recordFreshMs, recordStaleMs } = this.#options;
    const known = this.#known.get(id);
    if (known !== undefined && this.#ageMs(known) < recordFreshMs) return known.entry;
    try {
      return await this.#askOnce(id);
    } catch (error) {
      const isLate = isGridError(error, 'BOT_RECORD_STALE');
      if (isLate && known !== undefined && this.#ageMs(known) < recordStaleMs) return known.entry;
      throw error;
    }
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
    const bot = id ?? this.#knownHolder(key) ?? (await this.#askHolder(key));
    const entry = await this.bot(bot);
    const isListed = entry.keys.some((one) => one.key === key);
    const current = isListed ? entry : await this.#askOnce(bot);
    requireKey(current, key);
    return current;
  }

  #knownHolder(key: string): string | undefined {
    for (const { entry } of this.#known.values()) {
      if (entry.keys.some((one) => one.key === key)) return entry.id;
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
    const entry = await this.#ask(async (client, signal) => {
      const found = await readEntry(client, id, signal);
      this.#requireNewest(client, found);
      return found;
    });
    this.#options.seen.note(id, entry.seq);
    this.#known.delete(id);
    this.#known.set(id, { entry, askedMs });
    const [first] = this.#known.keys();
    if (this.#known.size > entriesMax && first !== undefined) this.#known.delete(first);
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
    const signal = AbortSignal.timeout(askMs);
    try {
      return await this.#options.use(what, signal);
    } catch (error) {
      if (isGridError(error, 'BCDB_NOT_FOUND')) throw unknownBot(error);
      const isAway = isGridError(error) && (error.retryable || error.code === 'BASE_ABORTED');
      if (!isAway || error.code === 'BOT_RECORD_STALE') throw error;
      throw stale('the database does not answer', error);
    }
  }

  #ageMs({ askedMs }: Known): number {
    return this.#clock.monotonicMs() - askedMs;
  }
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
