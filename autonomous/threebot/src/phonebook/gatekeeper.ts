import { isGridError, systemClock } from '@commongrid/base';
import type { Clock, GridError } from '@commongrid/base';
import { CallLimits } from '../actors/call-limits.ts';
import type { BotLimits } from '../config.ts';
import type { AgedEntry, Phonebook } from './phonebook.ts';

/** Keys of strangers whose refusal is remembered; the oldest is forgotten first. */
const refusedMax = 10_000;

/** Questions for strangers of one address that are under way. */
const perAddressUnderWayMax = 16;

/** Questions for strangers of all addresses that are under way. */
const underWayMax = 128;

/** What all addresses together may ask, in turns of one address. */
const allAddresses = 10;

/** Whom limits count strangers of all addresses to. */
const everybody = '';

export type GatekeeperLimits = Pick<
  BotLimits,
  'strangersPerSecond' | 'strangersBurst' | 'strangerKeptMs'
>;

interface Refusal {
  readonly error: GridError;
  readonly untilMs: number;
}

/**
 * Says whose a key is that somebody shows at a door. Whoever is known costs nothing; what strangers cost the
 * database is bounded: that a key is of no bot is remembered for a while, and each address has so many questions.
 */
export class Gatekeeper {
  readonly #phonebook: Phonebook;
  readonly #strangerKeptMs: number;
  readonly #perAddress: CallLimits;
  readonly #all: CallLimits;
  readonly #clock: Clock;
  /** The oldest first. */
  readonly #refused = new Map<string, Refusal>();

  constructor(phonebook: Phonebook, limits: GatekeeperLimits, clock: Clock = systemClock) {
    const { strangersPerSecond, strangersBurst, strangerKeptMs } = limits;
    this.#phonebook = phonebook;
    this.#strangerKeptMs = strangerKeptMs;
    this.#clock = clock;
    const one = { callsPerSecond: strangersPerSecond, callsBurst: strangersBurst };
    this.#perAddress = new CallLimits({ ...one, callsMax: perAddressUnderWayMax }, clock);
    this.#all = new CallLimits(
      {
        callsPerSecond: allAddresses * strangersPerSecond,
        callsBurst: allAddresses * strangersBurst,
        callsMax: underWayMax,
      },
      clock,
    );
  }

  /**
   * The bot that lists a key.
   * @param account address that the key was shown from, or bot that brought it
   * @param id the bot that it must be; default: whichever has the key
   * @throws BOT_SENDER_UNKNOWN, BOT_UNKNOWN, BOT_KEY_WRONG, BOT_KEY_ENDED, BOT_RECORD_STALE, BOT_RECORD_INVALID,
   *   BOT_BUSY and BOT_RATE_EXCEEDED where too many strangers come
   */
  async holder(key: string, account: string, id?: string): Promise<AgedEntry> {
    if (this.#phonebook.isKnownHolder(key, id)) return this.#phonebook.knownHolder(key, id);
    const name = `${key} ${id ?? ''}`;
    this.#requireUnrefused(name);
    using _one = this.#perAddress.enter(account);
    using _all = this.#all.enter(everybody);
    try {
      return await this.#phonebook.knownHolder(key, id);
    } catch (error) {
      if (isGridError(error) && refusals.has(error.code)) this.#remember(name, error);
      throw error;
    }
  }

  #requireUnrefused(name: string): void {
    const refusal = this.#refused.get(name);
    if (refusal === undefined) return;
    if (this.#clock.monotonicMs() < refusal.untilMs) throw refusal.error;
    this.#refused.delete(name);
  }

  #remember(name: string, error: GridError): void {
    this.#refused.delete(name);
    this.#refused.set(name, { error, untilMs: this.#clock.monotonicMs() + this.#strangerKeptMs });
    const [first] = this.#refused.keys();
    if (this.#refused.size > refusedMax && first !== undefined) this.#refused.delete(first);
  }
}

const refusals: ReadonlySet<string> = new Set([
  ...['BOT_SENDER_UNKNOWN', 'BOT_UNKNOWN', 'BOT_KEY_WRONG', 'BOT_KEY_ENDED'],
]);
