import { randomBytes } from 'node:crypto';
import type { DatabaseSync } from 'node:sqlite';
import { inTransaction, isGridError } from '@commongrid/base';
import type { Clock, GridError } from '@commongrid/base';
import type { BotId, Farm, FarmId } from '@commongrid/model';
import { requireWelcome, requireWithin } from './buyer-limits.ts';
import type { FarmerRules } from './farmer-rules.ts';
import { lockOfSlot } from './lock-of-slot.ts';
import { logLock } from './log-lock.ts';
import type { MarketLog } from './market-log.ts';
import { countersMax, pricedSeconds } from './market-schema.ts';
import type { Counter, Intent, Locked, Quote } from './market-schema.ts';
import { Deals } from './market-tables.ts';
import type { Deal } from './market-tables.ts';
import { farmsForSale, offerFor } from './offer.ts';
import { answerCounter, isFinalRound, minFundOf } from './pricing.ts';
import { refusal } from './refusals.ts';
import type { RuleFile } from './rule-file.ts';
import type { Transcripts, TranscriptStep } from './transcripts.ts';

export interface FarmerOptions {
  /** Id of this bot. */
  readonly self: string;
  /** Hash of the genesis of its log. */
  readonly logHash: string;
  readonly db: DatabaseSync;
  readonly log: MarketLog;
  readonly ruleFile: RuleFile;
  readonly isInCircle: (bot: string) => boolean;
  readonly transcripts: Transcripts;
  readonly clock: Clock;
}

/** Quotes of one buyer that wait for an answer. */
const openQuotesMax = 64;

/** For how long it is known that a quote or its locks are over, ms. */
const rememberedMs = 3_600_000;

/**
 * Sells capacity of the farms of a bot by its rules, without asking anybody:
 *
 * 1. `quote`: the intent is held to the rules; each slot gets a node with room, and a price.
 * 2. `counter`, 3 times at most: the price goes down as far as the rules let it.
 * 3. `lock`: ids and end of the locks are on disk before the first is appended, and an id is made of the
 *    quote. So whoever asks again, after a crash of either bot too, gets the same locks.
 */
export class Farmer {
  readonly #o: FarmerOptions;
  readonly #deals: Deals;

  constructor(options: FarmerOptions) {
    this.#o = options;
    this.#deals = new Deals(options.db);
  }

  /**
   * @throws MARKET_CLOSED, MARKET_BUYER_REFUSED, MARKET_TERM_REFUSED, MARKET_QUOTES_TOO_MANY,
   *   MARKET_LIMIT and what `offerFor` throws
   */
  async quote(intent: Intent, buyer: string, signal: AbortSignal): Promise<Quote> {
    const deal = randomBytes(16).toString('hex');
    this.#say(deal, buyer, 'intent', intent);
    return this.#answering(deal, buyer, async () => {
      const { rules } = await this.#o.ruleFile.read();
      const nowMs = this.#o.clock.nowMs();
      requireWelcome(rules, intent, buyer, nowMs);
      this.#requireFew(buyer, nowMs);
      await requireWithin(this.#o.log, rules, { ...this.#parties(buyer), nowMs }, intent, signal);
      const quote = await this.#offer(deal, rules, intent, buyer, signal);
      const first = quote.slots.map(({ amount }) => amount);
      inTransaction(this.#o.db, () => {
        // Others may have come while this one waited.
        this.#requireFew(buyer, nowMs);
        this.#put({ id: deal, buyer, state: 'open', counters: 0, first, wish: undefined, quote });
        this.#say(deal, buyer, 'quote', quote);
      });
      return quote;
    });
  }

  /**
   * Answers the same counter to the same quote the same way again.
   * @throws MARKET_QUOTE_UNKNOWN, MARKET_QUOTE_EXPIRED, MARKET_QUOTE_CHANGED, MARKET_COUNTERS_OVER,
   *   MARKET_PRICE_DECLINED
   */
  async counter(counter: Counter, buyer: string): Promise<Quote> {
    const { rules } = await this.#o.ruleFile.read();
    const deal = this.#deal(counter.quote, buyer);
    return this.#answering(deal.id, buyer, () => {
      const isRepeated =
        counter.round === deal.quote.round - 1 &&
        JSON.stringify(counter.amounts) === JSON.stringify(deal.wish);
      if (isRepeated) return deal.quote;
      this.#say(deal.id, buyer, 'counter', counter);
      this.#requireOpen(deal, counter.round);
      const next = inTransaction(this.#o.db, () => this.#counter(deal, counter, rules));
      if (next !== undefined) return next;
      throw refusal('MARKET_PRICE_DECLINED', 'that is too far from the price of the quote');
    });
  }

  /**
   * Makes the locks of a quote, or those that are missing of them.
   * @throws MARKET_QUOTE_UNKNOWN, MARKET_QUOTE_EXPIRED, MARKET_QUOTE_CHANGED, MARKET_CONTRACT_UNKNOWN,
   *   MARKET_LIMIT, MARKET_LOCK_REFUSED
   */
  async lock(
    { quote: id, round }: { readonly quote: string; readonly round: number },
    buyer: string,
    signal: AbortSignal,
  ): Promise<Locked> {
    const deal = this.#deal(id, buyer);
    this.#say(id, buyer, 'accept', { quote: id, round });
    return this.#answering(id, buyer, async () => {
      if (deal.state === 'open') await this.#take(deal, round, signal);
      else if (round !== deal.quote.round) throw changed(deal);
      const locks = this.#deals.locks(id);
      for (const { lock, isLogged } of locks) {
        if (this.#o.clock.nowMs() >= lock.expiresMs) throw expired(id);
        if (isLogged) continue;
        await logLock(this.#o.log, lock, signal);
        this.#deals.setLogged(lock.id);
      }
      this.#o.log.forgetDirectory();
      const answer: Locked = {
        quote: id,
        locks: locks.map(({ lock: { id: lock, slot } }) => ({ lock, ...slot })),
        expiresMs: locks[0]?.lock.expiresMs ?? 0,
      };
      this.#say(id, buyer, 'locked', answer);
      return answer;
    });
  }

  /** Clears away what is over. */
  forget(): void {
    this.#deals.forget(this.#o.clock.nowMs());
  }

  #parties(buyer: string): { readonly buyer: string; readonly farmer: string } {
    return { buyer, farmer: this.#o.self };
  }

  #requireFew(buyer: string, nowMs: number): void {
    if (this.#deals.openCount(buyer, nowMs + rememberedMs) < openQuotesMax) return;
    const message = `${openQuotesMax} quotes wait for your answer`;
    throw refusal('MARKET_QUOTES_TOO_MANY', message, { openQuotesMax });
  }

  async #offer(
    id: string,
    rules: FarmerRules,
    intent: Intent,
    buyer: string,
    signal: AbortSignal,
  ): Promise<Quote> {
    const { self, log, isInCircle, clock } = this.#o;
    const directory = await log.directory();
    const farms = new Map<FarmId, Farm>();
    for (const farm of farmsForSale(rules, self, directory)) {
      farms.set(farm, await log.farm(farm, self, signal));
    }
    const nowMs = clock.nowMs();
    const termMs = intent.untilMs - nowMs;
    const buying = { bot: buyer, isInCircle: isInCircle(buyer), termMs };
    const offered = offerFor({ rules, self, intent, buying, directory, farms });
    const { contract, currency, untilMs } = intent;
    const { quoteSeconds, lockSeconds, disputeHours, onDispute, arbiter } = rules.terms;
    return {
      ...{ id, contract, currency, untilMs, round: 0, isFinal: isFinalRound(rules, 0) },
      slots: offered.map(({ amount, ...slot }) => {
        const minFund = minFundOf(amount, rules.terms, termMs);
        return { ...slot, amount: String(amount), minFund };
      }),
      ...{ perSeconds: pricedSeconds, disputeMs: disputeHours * 3_600_000, onDispute },
      ...(arbiter === undefined ? {} : { arbiter }),
      ...{ lockMs: lockSeconds * 1_000, expiresMs: nowMs + quoteSeconds * 1_000 },
    };
  }

  /** What becomes of a counter, as one change of the tables; undefined where it is declined. */
  #counter(deal: Deal, { amounts }: Counter, rules: FarmerRules): Quote | undefined {
    const { id, buyer, counters, first, quote } = deal;
    const round = quote.round + 1;
    const answers = quote.slots.map(({ amount }, at) => {
      const wish = BigInt(amounts[at] ?? '0');
      return answerCounter(rules, {
        ...{ first: BigInt(first[at] ?? '0'), last: BigInt(amount), wish, round },
      });
    });
    if (answers.some(({ is }) => is === 'declined')) {
      this.#put({ ...deal, counters: counters + 1 });
      return undefined;
    }
    const termMs = quote.untilMs - this.#o.clock.nowMs();
    const next: Quote = {
      ...{ ...quote, round, isFinal: isFinalRound(rules, round) || counters + 1 >= countersMax },
      slots: quote.slots.map((slot, at) => {
        const answer = answers[at];
        const amount = answer?.is === 'offer' ? answer.amount : BigInt(slot.amount);
        const minFund = minFundOf(amount, rules.terms, termMs);
        return { ...slot, amount: String(amount), minFund };
      }),
    };
    this.#put({ ...deal, counters: counters + 1, wish: amounts, quote: next });
    this.#say(id, buyer, 'quote', next);
    return next;
  }

  #requireOpen({ id, state, counters, quote }: Deal, round: number): void {
    if (state !== 'open' || round !== quote.round) throw changed({ id, state, quote });
    if (this.#o.clock.nowMs() >= quote.expiresMs) throw expired(id);
    if (counters < countersMax && !quote.isFinal) return;
    throw refusal('MARKET_COUNTERS_OVER', 'no counter makes this quote cheaper', { counters });
  }

  /** Decides on the locks of a deal, unless that was done while this waited. */
  async #take(deal: Deal, round: number, signal: AbortSignal): Promise<void> {
    const { self, logHash, db, log, ruleFile, clock } = this.#o;
    const { id, buyer, quote } = deal;
    this.#requireFresh(deal, round);
    const header = await log.current('grid', 'grid.contract.1', quote.contract, signal);
    if (header?.owner !== (buyer as BotId)) {
      const message = `you own no contract ${quote.contract} in the log`;
      throw refusal('MARKET_CONTRACT_UNKNOWN', message, { contract: quote.contract });
    }
    const { rules } = await ruleFile.read();
    const who = { ...this.#parties(buyer), nowMs: clock.nowMs() };
    await requireWithin(log, rules, who, quote, signal);
    inTransaction(db, () => {
      const now = this.#deal(id, buyer);
      if (now.state === 'taken') return;
      this.#requireFresh(now, round);
      const expiresMs = clock.nowMs() + quote.lockMs;
      for (const place of quote.slots.keys()) {
        const lock = lockOfSlot(now.quote, place, { logHash, farmer: self, buyer, expiresMs });
        this.#deals.addLock(id, place, lock);
      }
      this.#deals.put({ ...now, state: 'taken' }, expiresMs + rememberedMs);
    });
  }

  #requireFresh({ id, state, quote }: Deal, round: number): void {
    if (round !== quote.round) throw changed({ id, state, quote });
    if (this.#o.clock.nowMs() >= quote.expiresMs) throw expired(id);
  }

  /** A quote of this buyer: those of others are nobody's business. */
  #deal(id: string, buyer: string): Deal {
    const deal = this.#deals.find(id);
    if (deal !== undefined && deal.buyer === buyer) return deal;
    throw refusal('MARKET_QUOTE_UNKNOWN', 'no such quote was given to you', { quote: id });
  }

  #put(deal: Deal): void {
    this.#deals.put(deal, deal.quote.expiresMs + rememberedMs);
  }

  async #answering<T>(deal: string, buyer: string, work: () => T | Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      if (isGridError(error)) this.#say(deal, buyer, 'refusal', error);
      throw error;
    }
  }

  #say(deal: string, peer: string, step: TranscriptStep['step'], body: unknown): void {
    const atMs = this.#o.clock.nowMs();
    this.#o.transcripts.add({ deal, side: 'farmer', peer, atMs, step, body });
  }
}

function changed({ id, state, quote }: Pick<Deal, 'id' | 'state' | 'quote'>): GridError {
  const what = state === 'taken' ? 'was taken' : `is in round ${quote.round}`;
  return refusal('MARKET_QUOTE_CHANGED', `the quote ${what}`, { quote: id, round: quote.round });
}

function expired(id: string): GridError {
  return refusal('MARKET_QUOTE_EXPIRED', 'the time of the quote is over', { quote: id });
}
