import { isGridError, waitFor } from '@commongrid/base';
import { canonicalText } from '@commongrid/crypto';
import type { Lock } from '@commongrid/model';
import type { Phonebook } from '../phonebook/phonebook.ts';
import { lockOfSlot } from './lock-of-slot.ts';
import type { LockParties } from './lock-of-slot.ts';
import type { MarketLog } from './market-log.ts';
import type { Quote } from './market-schema.ts';
import { refusal } from './refusals.ts';

export interface LockCheck {
  readonly log: MarketLog;
  readonly phonebook: Phonebook;
  readonly parties: Omit<LockParties, 'expiresMs'>;
}

/** The id of the lock that a quote leads to. */
export function promisedLock(
  quote: Quote,
  place: number,
  parties: LockCheck['parties'],
): Lock['id'] {
  return lockOfSlot(quote, place, { ...parties, expiresMs: 0 }).id;
}

/**
 * The lock of a slot as the log proves it, once it is what was agreed: signed by the farmer, whose the
 * farm of the node is. Undefined while the log has none.
 * @throws MARKET_LOCK_MISMATCH
 */
export async function findLock(
  { log, phonebook, parties }: LockCheck,
  quote: Quote,
  place: number,
  signal: AbortSignal,
): Promise<Lock | undefined> {
  const id = promisedLock(quote, place, parties);
  const found = await log.lock(id, signal);
  if (found === undefined) return undefined;
  const { lock, author } = found;
  const agreed = lockOfSlot(quote, place, { ...parties, expiresMs: lock.expiresMs });
  if (canonicalText(lock) !== canonicalText(agreed)) throw mismatch(id, 'it says something else');
  try {
    await phonebook.holder(author, parties.farmer);
    const farm = await log.farmOfNode(lock.node, signal);
    await log.farm(farm, parties.farmer, signal);
  } catch (error) {
    if (!isGridError(error) || !strangers.has(error.code)) throw error;
    throw mismatch(id, 'node or signature are not of the farmer', error);
  }
  return lock;
}

const strangers: ReadonlySet<string> = new Set([
  'BCDB_NOT_FOUND',
  'BOT_KEY_ENDED',
  'BOT_KEY_WRONG',
  'MARKET_NODE_REFUSED',
]);

/**
 * Waits for a lock that the farmer says is there.
 * @throws MARKET_LOCK_UNSEEN, MARKET_LOCK_MISMATCH
 */
export async function requireLock(
  check: LockCheck,
  quote: Quote,
  place: number,
  { seenMs, signal }: { readonly seenMs: number; readonly signal: AbortSignal },
): Promise<Lock> {
  try {
    return await waitFor((stop) => findLock(check, quote, place, stop), {
      ...{ timeoutMs: seenMs, everyMs: 100, what: 'a lock in the log', signal },
    });
  } catch (error) {
    if (!isGridError(error, 'BASE_TIMEOUT')) throw error;
    const lock = promisedLock(quote, place, check.parties);
    throw refusal('MARKET_LOCK_UNSEEN', `the log has no ${lock}`, { lock }, error);
  }
}

function mismatch(lock: string, why: string, cause?: unknown) {
  const message = `${lock} is not what was agreed: ${why}`;
  return refusal('MARKET_LOCK_MISMATCH', message, { lock }, cause);
}
