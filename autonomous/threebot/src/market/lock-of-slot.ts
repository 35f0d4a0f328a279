import { canonicalHash } from '@commongrid/crypto';
import { parse } from '@commongrid/model';
import type { Lock, LockId } from '@commongrid/model';
import type { Quote } from './market-schema.ts';

const domain = 'commongrid/market-lock/1';

export interface LockParties {
  /** Hash of the genesis of the log. */
  readonly logHash: string;
  readonly farmer: string;
  readonly buyer: string;
  /** Log time until which it waits for money, ms since 1970. */
  readonly expiresMs: number;
}

/** The lock that a quote promises for one of its slots. Its id is made of the quote: the same each time. */
export function lockOfSlot(
  { id, contract, currency, slots, perSeconds, disputeMs, onDispute, arbiter }: Quote,
  place: number,
  { logHash, farmer, buyer, expiresMs }: LockParties,
): Lock {
  const slot = slots[place];
  if (slot === undefined) throw new RangeError('a quote has no such slot');
  const { role, replica, node, resources, amount, minFund } = slot;
  return parse('grid.lock.1', {
    ...{ id: lockIdOf([logHash, farmer, id, String(place)]), contract, node, farmer, buyer },
    ...{ slot: { role, replica }, resources, price: { amount, currency, perSeconds }, minFund },
    ...(arbiter === undefined ? {} : { arbiter }),
    ...{ disputeMs, onDispute, expiresMs },
  });
}

function lockIdOf(parts: readonly string[]): LockId {
  const hash = canonicalHash([domain, ...parts]).subarray(0, 16);
  return `lock:${hash.toBase64({ alphabet: 'base64url', omitPadding: true })}` as LockId;
}
