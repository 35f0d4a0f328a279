import { GridError } from '@commongrid/base';
import type { BotErrorCode } from '../errors.ts';

/** What a farmer or a buyer says no with, and what the other may do then. */
type MarketCode = Extract<BotErrorCode, `MARKET_${string}`>;

const hints: { readonly [Code in MarketCode]?: string } = {
  MARKET_BUYER_REFUSED: 'ask another farmer',
  MARKET_CLOSED: 'ask another farmer, or later',
  MARKET_CONTRACT_UNKNOWN: 'append the header of the contract first; its owner asks for locks',
  MARKET_COUNTERS_OVER: 'take the quote as it is, or ask another farmer',
  MARKET_CURRENCY_REFUSED: 'ask in the currency that the details name, or another farmer',
  MARKET_FARMER_AWAY: 'ask again later, or another farmer',
  MARKET_FULL: 'ask for another node or for less, or another farmer',
  MARKET_LIMIT: 'ask for less, let other locks end, or ask another farmer',
  MARKET_LOCK_MISMATCH: 'pay nothing for it; deal with another farmer',
  MARKET_LOCK_REFUSED: 'see the rule: grid explain CODE',
  MARKET_LOCK_UNSEEN: 'pay nothing for it; ask again, or another farmer',
  MARKET_NODE_REFUSED: 'ask for another node, or another farmer',
  MARKET_PRICE_DECLINED: 'take the quote as it is, or offer more',
  MARKET_QUOTE_CHANGED: 'read the newest quote: grid market transcripts',
  MARKET_QUOTE_EXPIRED: 'ask for a new quote',
  MARKET_QUOTE_MISMATCH: 'deal with another farmer',
  MARKET_QUOTE_UNKNOWN: 'ask for a quote of your own',
  MARKET_QUOTES_TOO_MANY: 'take some of your quotes, or let them lapse',
  MARKET_TERM_REFUSED: 'ask for a shorter term that has not ended',
  MARKET_TOO_DEAR: 'raise the budget, or ask another farmer',
  MARKET_UNPRICED: 'ask for other resources, or another farmer',
};

/** The same may work later without a change. */
const passing: ReadonlySet<MarketCode> = new Set([
  'MARKET_CLOSED',
  'MARKET_FARMER_AWAY',
  'MARKET_LOCK_UNSEEN',
  'MARKET_QUOTES_TOO_MANY',
]);

/** A refusal of the market, with the next step of its code. */
export function refusal(
  code: MarketCode,
  message: string,
  details: Readonly<Record<string, unknown>> = {},
  cause?: unknown,
): GridError<BotErrorCode> {
  return new GridError(code, message, {
    hint: hints[code],
    retryable: passing.has(code),
    details,
    cause,
  });
}
