import { canonicalText } from '@commongrid/crypto';
import type { Intent, Quote } from './market-schema.ts';
import { refusal } from './refusals.ts';

/** Longest time for disputes that a buyer agrees to: so long after the end the rest of the money waits. */
const disputeMsMax = 31 * 86_400_000;

/** Whether a quote is about what was asked. @throws MARKET_QUOTE_MISMATCH */
export function requireAnswers(intent: Intent, quote: Quote): void {
  const { contract, currency, untilMs, slots } = intent;
  if (quote.contract !== contract) throw mismatch('contract');
  if (quote.currency !== currency) throw mismatch('currency');
  if (quote.untilMs !== untilMs) throw mismatch('term');
  if (quote.round !== 0) throw mismatch('round');
  if (quote.disputeMs > disputeMsMax) throw mismatch('time for disputes');
  if (quote.slots.length !== slots.length) throw mismatch('slots');
  for (const [at, wanted] of slots.entries()) {
    const offered = quote.slots[at];
    const { node = offered?.node, role, replica, resources } = wanted;
    const isSame =
      offered?.role === role &&
      offered.replica === replica &&
      offered.node === node &&
      canonicalText(offered.resources) === canonicalText(resources);
    if (!isSame) throw mismatch('slots');
  }
}

/** Whether a quote answers a counter to another: the same, but for prices, which do not rise. @throws MARKET_QUOTE_MISMATCH */
export function requireNext(last: Quote, next: Quote): void {
  if (next.round !== last.round + 1) throw mismatch('round');
  if (termsOf(next) !== termsOf(last)) throw mismatch('terms');
  for (const [at, slot] of last.slots.entries()) {
    const { amount, minFund } = next.slots[at] ?? slot;
    const isDearer = BigInt(amount) > BigInt(slot.amount) || BigInt(minFund) > BigInt(slot.minFund);
    if (isDearer) throw mismatch('price');
  }
}

function termsOf({ slots, round: _round, isFinal: _isFinal, ...rest }: Quote): string {
  const places = slots.map(({ amount: _amount, minFund: _minFund, ...slot }) => slot);
  return canonicalText({ ...rest, slots: places });
}

function mismatch(what: string) {
  return refusal('MARKET_QUOTE_MISMATCH', `the quote is of another ${what} than was asked for`, {
    what,
  });
}
