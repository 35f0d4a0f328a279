import { isGridError } from '@commongrid/base';
import { canonicalText } from '@commongrid/crypto';
import type { Lock } from '@commongrid/model';
import type { MarketLog } from './market-log.ts';
import { refusal } from './refusals.ts';

/** What rules of the log mean for whoever buys. */
const meanings: Readonly<Record<string, string>> = {
  LOCK_CAPACITY: 'open locks keep all that the node has',
  LOCK_NOT_FARMER: 'the node is not of a farm of this farmer',
  LOCK_TERM: 'the clocks of the farmer and of the log are too far apart',
  LOCK_UNPAID: 'you have unpaid locks of three contracts in this farm: pay, or let them lapse',
};

/**
 * Appends a lock; one that is in the log as it should be is no fault, since an answer may have been lost.
 * @throws MARKET_LOCK_REFUSED with the code of the rule in `details.rule`
 */
export async function logLock(log: MarketLog, lock: Lock, signal: AbortSignal): Promise<void> {
  try {
    await log.write(lock, signal);
  } catch (error) {
    if (!isGridError(error, 'BCDB_RULE_BROKEN')) throw error;
    const rule = String(error.details['rule']);
    const isThere = rule === 'LOCK_FIXED' && (await isSame(log, lock, signal));
    if (isThere) return;
    const { role, replica } = lock.slot;
    const message = `the log refused the lock for ${role} ${replica}: ${meanings[rule] ?? rule}`;
    throw refusal('MARKET_LOCK_REFUSED', message, { rule, role, replica, node: lock.node }, error);
  }
}

async function isSame(log: MarketLog, lock: Lock, signal: AbortSignal): Promise<boolean> {
  const current = await log.current('grid', 'grid.lock.1', lock.id, signal);
  return current !== undefined && canonicalText(current) === canonicalText(lock);
}
