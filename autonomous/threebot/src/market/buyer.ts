import { randomBytes } from 'node:crypto';
import type { DatabaseSync } from 'node:sqlite';
import { inTransaction, isGridError } from '@commongrid/base';
import type { Clock } from '@commongrid/base';
import type { Lock } from '@commongrid/model';
import type { Phonebook } from '../phonebook/phonebook.ts';
import type { FarmerLink } from './farmer-link.ts';
import { promisedLock, requireLock } from './lock-check.ts';
import type { LockCheck } from './lock-check.ts';
import type { MarketLog } from './market-log.ts';
import type { Counter, Intent, Quote } from './market-schema.ts';
import { Purchases } from './market-tables.ts';
import type { Purchase } from './market-tables.ts';
import { requireAnswers, requireNext } from './quote-check.ts';
import { refusal } from './refusals.ts';
import type { Transcripts, TranscriptStep } from './transcripts.ts';

export interface BuyerOptions {
  /** Id of this bot. */
  readonly self: string;
  /** Hash of the genesis of its log. */
  readonly logHash: string;
  readonly db: DatabaseSync;
  readonly log: MarketLog;
  readonly phonebook: Phonebook;
  readonly farmers: FarmerLink;
  /** How long a lock that the farmer says is there may take to be seen, ms. */
  readonly seenMs: number;
  readonly transcripts: Transcripts;
  readonly clock: Clock;
}

/** For how long a purchase is remembered after its lock must have lapsed, ms. */
const rememberedMs = 3_600_000;

/** How much shorter than promised a lock may wait for money, ms: clocks differ, and answers travel. */
const lateMsMax = 60_000;

/**
 * Buys capacity, step by step. What a farmer says is held to what was asked, what he locked to the quote;
 * what was taken is on disk before he is asked for it, so that a purchase that was cut off is finished.
 */
export class Buyer {
  readonly #o: BuyerOptions;
  readonly #purchases: Purchases;

  constructor(options: BuyerOptions) {
    this.#o = options;
    this.#purchases = new Purchases(options.db);
  }

  /**
   * Asks a farmer for a quote.
   * @param wish says what it is bought for, so that a purchase is found again. Default: nothing
   * @throws MARKET_FARMER_AWAY, MARKET_QUOTE_MISMATCH, and what the farmer refuses with
   */
  async ask(farmer: string, intent: Intent, signal: AbortSignal, wish = ''): Promise<Quote> {
    const askedMs = this.#o.clock.nowMs();
    const local = randomBytes(16).toString('hex');
    let quote: Quote;
    try {
      quote = await this.#o.farmers.quote(farmer, intent, signal);
      this.#requireOwn(farmer, quote.id);
    } catch (error) {
      // What was refused has no name that both know.
      this.#say({ deal: local, peer: farmer, atMs: askedMs, step: 'intent', body: intent });
      throw this.#refused(local, farmer, error);
    }
    const peer = { deal: quote.id, peer: farmer };
    this.#say({ ...peer, atMs: askedMs, step: 'intent', body: intent });
    this.#say({ ...peer, step: 'quote', body: quote });
    try {
      requireAnswers(intent, quote);
    } catch (error) {
      throw this.#refused(quote.id, farmer, error);
    }
    this.#keep({ deal: quote.id, farmer, wish, intent, quote, state: 'quoted' });
    return quote;
  }

  /**
   * Offers another price for a quote: an amount for each slot.
   * @throws MARKET_QUOTE_UNKNOWN, MARKET_FARMER_AWAY, MARKET_QUOTE_MISMATCH, and what the farmer refuses with
   */
  async bargain(deal: string, amounts: readonly string[], signal: AbortSignal): Promise<Quote> {
    const purchase = this.#purchase(deal);
    const { farmer, quote: last } = purchase;
    const body: Counter = { quote: deal, round: last.round, amounts: [...amounts] };
    this.#say({ deal, peer: farmer, step: 'counter', body });
    try {
      const quote = await this.#o.farmers.counter(farmer, body, signal);
      this.#say({ deal, peer: farmer, step: 'quote', body: quote });
      requireNext(last, quote);
      this.#keep({ ...purchase, quote });
      return quote;
    } catch (error) {
      throw this.#refused(deal, farmer, error);
    }
  }

  /**
   * Takes a quote as it is. The locks are in the log, and are what the quote says; they wait for their
   * money. Again it gives the same ones, for as long as they are open.
   * @throws MARKET_QUOTE_UNKNOWN, MARKET_FARMER_AWAY, MARKET_LOCK_MISMATCH, MARKET_LOCK_UNSEEN, and what
   *   the farmer refuses with
   */
  async take(deal: string, signal: AbortSignal): Promise<readonly Lock[]> {
    const purchase = this.#purchase(deal);
    const { farmer, quote } = purchase;
    const isFirst = purchase.state === 'quoted';
    const { seenMs } = this.#o;
    const askedMs = this.#o.clock.nowMs();
    this.#keep({ ...purchase, state: 'taking' });
    const acceptance = { quote: deal, round: quote.round };
    this.#say({ deal, peer: farmer, step: 'accept', body: acceptance });
    try {
      const answer = await this.#o.farmers.lock(farmer, acceptance, signal);
      this.#say({ deal, peer: farmer, step: 'locked', body: answer });
      const promised = quote.slots.map((_slot, place) => {
        return promisedLock(quote, place, this.checkOf(farmer).parties);
      });
      const isOther = answer.locks.map(({ lock }) => lock).join(' ') !== promised.join(' ');
      if (isOther) throw mismatch('they have other ids than the quote leads to');
      const locks = await Promise.all(
        promised.map((_id, place) => {
          return requireLock(this.checkOf(farmer), quote, place, { seenMs, signal });
        }),
      );
      const leastMs = askedMs + quote.lockMs - lateMsMax;
      const isShort = locks.some(({ expiresMs }) => expiresMs < leastMs);
      if (isFirst && isShort) throw mismatch('they lapse earlier than the quote says');
      return locks;
    } catch (error) {
      throw this.#refused(deal, farmer, error);
    }
  }

  /** Purchases of a wish that were begun and may go on, the newest first. */
  begun(wish: string): readonly Purchase[] {
    return this.#purchases.taken(wish, this.#o.clock.nowMs());
  }

  /** A purchase led to nothing, or is over. */
  drop(deal: string): void {
    this.#purchases.drop(deal);
  }

  /** What locks of a farmer are held to. */
  checkOf(farmer: string): LockCheck {
    const { self, logHash, log, phonebook } = this.#o;
    return { log, phonebook, parties: { logHash, farmer, buyer: self } };
  }

  /** Clears away what is over. */
  forget(): void {
    this.#purchases.forget(this.#o.clock.nowMs());
  }

  #purchase(deal: string): Purchase {
    const purchase = this.#purchases.find(deal);
    if (purchase !== undefined) return purchase;
    throw refusal('MARKET_QUOTE_UNKNOWN', 'no such quote was given to this bot', { quote: deal });
  }

  /** A farmer chooses ids, and may choose that of another farmer's quote. */
  #requireOwn(farmer: string, deal: string): void {
    const known = this.#purchases.find(deal);
    if (known === undefined) return;
    const message = 'the quote has the id of another one';
    throw refusal('MARKET_QUOTE_MISMATCH', message, { farmer, quote: deal });
  }

  #keep(purchase: Purchase): void {
    const { expiresMs, lockMs } = purchase.quote;
    inTransaction(this.#o.db, () => {
      this.#purchases.put(purchase, Math.min(expiresMs + lockMs + rememberedMs, endMsMax));
    });
  }

  #refused(deal: string, peer: string, error: unknown): unknown {
    if (isGridError(error)) this.#say({ deal, peer, step: 'refusal', body: error });
    return error;
  }

  #say(step: Omit<TranscriptStep, 'seq' | 'side' | 'atMs'> & { readonly atMs?: number }): void {
    this.#o.transcripts.add({ atMs: this.#o.clock.nowMs(), ...step, side: 'buyer' });
  }
}

/** As far as times go. */
const endMsMax = 8_640_000_000_000_000;

function mismatch(why: string) {
  return refusal('MARKET_LOCK_MISMATCH', `the locks are not what was agreed: ${why}`);
}
