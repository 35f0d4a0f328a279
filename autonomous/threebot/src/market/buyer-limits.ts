import { readBuyerUse, resourceNames } from './buyer-use.ts';
import type { BuyerUse } from './buyer-use.ts';
import type { FarmerRules } from './farmer-rules.ts';
import type { MarketLog } from './market-log.ts';
import type { Intent } from './market-schema.ts';
import { refusal } from './refusals.ts';

const dayMs = 86_400_000;

/**
 * Whether a farmer does business with a buyer, for so long.
 * @throws MARKET_CLOSED, MARKET_BUYER_REFUSED, MARKET_TERM_REFUSED
 */
export function requireWelcome(
  { isSelling, refuse, limits: { termDays } }: FarmerRules,
  { untilMs }: Pick<Intent, 'untilMs'>,
  buyer: string,
  nowMs: number,
): void {
  if (!isSelling) throw refusal('MARKET_CLOSED', 'this farmer sells nothing now');
  if (refuse.bots.includes(buyer)) {
    throw refusal('MARKET_BUYER_REFUSED', 'this farmer has no business with you');
  }
  const leftMs = untilMs - nowMs;
  if (leftMs > 0 && leftMs <= termDays * dayMs) return;
  const message = `this farmer sells for ${termDays} days at most, and not for the past`;
  throw refusal('MARKET_TERM_REFUSED', message, { termDays });
}

/** Whether the buyer may have so much more of a farmer. @throws MARKET_LIMIT */
export async function requireWithin(
  log: MarketLog,
  { limits }: FarmerRules,
  who: { readonly buyer: string; readonly farmer: string; readonly nowMs: number },
  { slots }: { readonly slots: readonly Pick<Intent['slots'][number], 'resources'>[] },
  signal: AbortSignal,
): Promise<void> {
  const use = await readBuyerUse(log, who, signal);
  const { openLocks, lapsedLocks } = limits;
  if (use.lapsed >= lapsedLocks) {
    const message = `${use.lapsed} locks of yours lapsed unpaid within an hour`;
    throw refusal('MARKET_LIMIT', message, { lapsedLocks, lapsed: use.lapsed });
  }
  if (use.locks + slots.length > openLocks) {
    const details = { openLocks, has: use.locks };
    throw refusal('MARKET_LIMIT', `one buyer has ${openLocks} locks at most`, details);
  }
  requireResources(limits, use, slots);
}

function requireResources(
  { perBuyer = {} }: FarmerRules['limits'],
  use: BuyerUse,
  slots: readonly Pick<Intent['slots'][number], 'resources'>[],
): void {
  for (const name of resourceNames) {
    const most = perBuyer[name];
    if (most === undefined) continue;
    const has = use.resources[name];
    const wants = slots.reduce((sum, { resources }) => sum + resources[name], 0);
    if (has + wants <= most) continue;
    const details = { resource: name, most, has, wants };
    throw refusal('MARKET_LIMIT', `one buyer has ${most} of ${name} at most`, details);
  }
}
