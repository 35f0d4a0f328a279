import { isGridError } from '@commongrid/base';
import type { LockMarket as ContractLockMarket, LockWish } from '@commongrid/contract';
import { canonicalText } from '@commongrid/crypto';
import { monthlyPrice } from '@commongrid/model';
import type { Lock, LockId } from '@commongrid/model';
import type { Buyer } from './buyer.ts';
import { findLock } from './lock-check.ts';
import type { MarketLog } from './market-log.ts';
import { countersMax } from './market-schema.ts';
import type { Intent, Quote } from './market-schema.ts';
import type { Purchase } from './market-tables.ts';
import { refusal } from './refusals.ts';

export interface LockMarketOptions {
  readonly self: string;
  readonly buyer: Buyer;
  readonly log: MarketLog;
  readonly nowMs: () => number;
}

/** Time that has to be left to pay for a lock, ms. */
const payMs = 10_000;

/**
 * Gets a lock for each wish without asking anybody:
 *
 * 1. What was begun for the same wish goes on: by the log where the lock is there, else by the farmer.
 * 2. An intent; the quote is taken when it is within the cap.
 * 3. Else up to three counters with the cap, until it is.
 */
export class LockMarket implements ContractLockMarket {
  readonly #o: LockMarketOptions;
  readonly #running = new Map<string, Promise<unknown>>();

  constructor(options: LockMarketOptions) {
    this.#o = options;
  }

  /**
   * A lock for a wish, open and in the log. The same one again for as long as it is open and nobody paid
   * for it.
   * @throws MARKET_TOO_DEAR, MARKET_FARMER_AWAY, MARKET_QUOTE_MISMATCH, MARKET_LOCK_MISMATCH,
   *   MARKET_LOCK_UNSEEN, and what the farmer refuses with
   */
  async obtain(wish: LockWish, { signal }: { readonly signal: AbortSignal }): Promise<LockId> {
    const { self } = this.#o;
    if (wish.buyer !== self) {
      const message = 'locks are for contracts of this bot';
      throw refusal('MARKET_CONTRACT_UNKNOWN', message, { contract: wish.contract });
    }
    const key = wishKey(wish);
    while (this.#running.has(key)) await this.#running.get(key)?.catch(() => {});
    const running = this.#obtain(wish, key, signal);
    this.#running.set(key, running);
    try {
      return await running;
    } finally {
      this.#running.delete(key);
    }
  }

  async #obtain(wish: LockWish, key: string, signal: AbortSignal): Promise<LockId> {
    const { buyer } = this.#o;
    for (const purchase of buyer.begun(key)) {
      const lock = await this.#goOn(purchase, wish, signal);
      if (lock !== undefined) return lock.id;
      buyer.drop(purchase.deal);
    }
    const { id } = await this.#bargain(wish, key, signal);
    const [lock] = await buyer.take(id, signal);
    if (lock === undefined) throw new TypeError('a quote of one slot led to no lock');
    return lock.id;
  }

  /** The lock of a purchase that was begun; undefined where another has to be made. */
  async #goOn(
    { deal, farmer, quote }: Purchase,
    { perMonthMax }: LockWish,
    signal: AbortSignal,
  ): Promise<Lock | undefined> {
    const { buyer, log } = this.#o;
    if (monthlyCost(quote) > perMonthMax) return undefined;
    try {
      const found = await findLock(buyer.checkOf(farmer), quote, 0, signal);
      const lock = found ?? (await buyer.take(deal, signal))[0];
      if (lock === undefined || lock.expiresMs - payMs <= this.#o.nowMs()) return undefined;
      // What was paid for is in use, or was: another stay takes another lock.
      const escrow = await log.current('wallet', 'grid.escrow.1', lock.id, signal);
      return escrow === undefined ? lock : undefined;
    } catch (error) {
      if (isGridError(error) && over.has(error.code)) return undefined;
      throw error;
    }
  }

  /** A quote within the cap. @throws MARKET_TOO_DEAR */
  async #bargain(wish: LockWish, key: string, signal: AbortSignal): Promise<Quote> {
    const { buyer } = this.#o;
    const { farmer, perMonthMax, currency } = wish;
    const amounts = [String(perHour(perMonthMax))];
    let quote = await buyer.ask(farmer, intentOf(wish), signal, key);
    for (let counters = 0; monthlyCost(quote) > perMonthMax; counters++) {
      if (quote.isFinal || counters >= countersMax) throw tooDear(quote, perMonthMax, currency);
      try {
        quote = await buyer.bargain(quote.id, amounts, signal);
      } catch (error) {
        if (!isGridError(error, 'MARKET_PRICE_DECLINED')) throw error;
        throw tooDear(quote, perMonthMax, currency, error);
      }
    }
    return quote;
  }
}

/** Refusals after which a purchase that was begun leads nowhere. */
const over: ReadonlySet<string> = new Set([
  'MARKET_LOCK_REFUSED',
  'MARKET_QUOTE_CHANGED',
  'MARKET_QUOTE_EXPIRED',
  'MARKET_QUOTE_UNKNOWN',
]);

function wishKey({ contract, slot, node, farmer, resources, currency }: LockWish): string {
  return canonicalText({ contract, slot, node, farmer, resources, currency });
}

function intentOf({ contract, currency, untilMs, slot, node, resources }: LockWish): Intent {
  return { contract, currency, untilMs, slots: [{ ...slot, node, resources }] };
}

function monthlyCost({ slots, currency, perSeconds }: Quote): bigint {
  return slots.reduce((sum, { amount }) => {
    return sum + monthlyPrice({ price: { amount, currency, perSeconds } as Lock['price'] });
  }, 0n);
}

/** Hours of the month of a budget. */
const monthHours = 720n;

function perHour(perMonth: bigint): bigint {
  return perMonth / monthHours;
}

function tooDear(quote: Quote, perMonthMax: bigint, currency: string, cause?: unknown) {
  const perMonth = monthlyCost(quote);
  const message = `the best price is ${perMonth} ${currency} a month, the cap ${perMonthMax}`;
  const details = { quote: quote.id, perMonth, perMonthMax, currency };
  return refusal('MARKET_TOO_DEAR', message, details, cause);
}
