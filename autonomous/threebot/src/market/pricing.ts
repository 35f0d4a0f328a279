import { priceOf } from '@commongrid/model';
import type { Amount, Farm, Resources } from '@commongrid/model';
import type { FarmerRules } from './farmer-rules.ts';
import { countersMax, pricedSeconds } from './market-schema.ts';

const dayMs = 86_400_000;

/** A farm as price lists name it. */
export type PricedFarm = Pick<Farm, 'id' | 'name' | 'prices'>;

/**
 * What an hour of resources costs in a farm before discounts, smallest units, rounded up; undefined
 * where they are not for sale, or not for this currency.
 */
export function listPrice(
  rules: FarmerRules,
  { id, name, prices }: PricedFarm,
  resources: Resources,
  currency: string,
): bigint | undefined {
  const price = priceOf(pricesIn(rules, { id, name, prices }, currency), resources);
  // Nothing is for sale where no list is of this currency.
  return price?.currency === currency ? BigInt(price.amount) : undefined;
}

/** Whether any price of a farm is in a currency. */
export function takesCurrency(rules: FarmerRules, farm: PricedFarm, currency: string): boolean {
  return pricesIn(rules, farm, currency).currency === currency;
}

function pricesIn({ prices }: FarmerRules, farm: PricedFarm, currency: string): Farm['prices'] {
  if (prices === undefined) return farm.prices;
  const found = prices.find((one) => {
    const isOfFarm = one.farms?.some((name) => name === farm.id || name === farm.name) ?? true;
    return isOfFarm && one.currency === currency;
  });
  if (found === undefined) return { currency: farm.prices.currency, unitHours: 1 };
  const { farms: _farms, ...list } = found;
  return list as Farm['prices'];
}

/** Who buys, as far as discounts ask. */
export interface Buying {
  readonly bot: string;
  readonly isInCircle: boolean;
  /** How long it is wanted, ms. */
  readonly termMs: number;
}

/** The discount of a buyer: that of the term and that of who he is, together 100 at most. */
export function discountPercent(
  { discounts: { term = [], circle = 0, bots = [] } }: FarmerRules,
  { bot, isInCircle, termMs }: Buying,
): number {
  const fitting = term.filter(({ days }) => days * dayMs <= termMs).map(({ percent }) => percent);
  const own = bots.find((one) => one.bot === bot)?.percent ?? (isInCircle ? circle : 0);
  return Math.min(100, Math.max(0, ...fitting) + own);
}

/** A part of a price, rounded up. */
export function lessPercent(amount: bigint, percent: number): bigint {
  return (amount * BigInt(100 - percent) + 99n) / 100n;
}

/** What a farmer says to a wished price. */
export type CounterAnswer =
  | { readonly is: 'declined' }
  | { readonly is: 'offer'; readonly amount: bigint; readonly isFinal: boolean };

/**
 * Answers a wished price: never below what the rules let go in this round, nor below the wish, nor
 * above what was offered before.
 * @param first price of the first quote, smallest units
 * @param last price of the newest quote
 * @param round of the answer, from 1
 */
export function answerCounter(
  { counters: { mostPercent, perRoundPercent, declinePercent } }: FarmerRules,
  {
    first,
    last,
    wish,
    round,
  }: {
    readonly first: bigint;
    readonly last: bigint;
    readonly wish: bigint;
    readonly round: number;
  },
): CounterAnswer {
  if (wish < lessPercent(first, declinePercent)) return { is: 'declined' };
  const down = Math.min(mostPercent, perRoundPercent * round);
  const least = lessPercent(first, down);
  const asked = wish > least ? wish : least;
  const amount = asked < last ? asked : last;
  return { is: 'offer', amount, isFinal: isLast(mostPercent, down, round) };
}

/** Whether no counter makes a quote of this round cheaper. */
export function isFinalRound({ counters }: FarmerRules, round: number): boolean {
  const { mostPercent, perRoundPercent } = counters;
  return isLast(mostPercent, Math.min(mostPercent, perRoundPercent * round), round);
}

function isLast(mostPercent: number, down: number, round: number): boolean {
  return round >= countersMax || down >= mostPercent;
}

/** The least that is to be put aside: the price of some hours, at most of the term. */
export function minFundOf(
  amount: bigint,
  { fundHours }: Pick<FarmerRules['terms'], 'fundHours'>,
  termMs: number,
): Amount {
  const seconds = BigInt(Math.min(fundHours * 3_600, Math.ceil(Math.max(0, termMs) / 1_000)));
  const per = BigInt(pricedSeconds);
  return String((amount * seconds + per - 1n) / per) as Amount;
}
