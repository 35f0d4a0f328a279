import { canonicalHash } from '@commongrid/crypto';
import type { Assignment } from '../assignment.ts';
import type { Wish } from './wish.ts';

/**
 * What of an assignment counts: another value of one of these, and its workload is made anew. Each
 * release says it in so many words, so that a field that a later one adds to assignments restarts
 * nothing. A list never changes: one that differs gets the next number.
 *
 * - 1: the role as its owner signed it; a field that is absent there counts as absent.
 */
const counted = {
  1: ({ id, key, contract, tenant, role, replica, addresses, isElevated }: Assignment) => {
    return { id, key, contract, tenant, role, replica, addresses, isElevated };
  },
} as const;

/** What workloads are made by from now on. */
const newest = 1;

/**
 * What a wish comes to: equal ones need nothing to be done. It begins with the number of the list by
 * which it was made. Of secrets it has a hash, not the text.
 */
export function fingerprintOf(wish: Wish, list: keyof typeof counted = newest): string {
  if (wish.is !== 'running') return `${wish.is} ${wish.revision}`;
  const values = Object.fromEntries(wish.assignment.secrets);
  const hashed = canonicalHash({ counted: counted[list](wish.assignment), values });
  return `${list}.${hashed.toBase64({ alphabet: 'base64url', omitPadding: true })}`;
}

/** Whether what was made by a fingerprint, perhaps by an earlier release, is what is wished. */
export function isMadeAs(made: string | undefined, wish: Wish): boolean {
  if (made === undefined) return false;
  const list = Number(made.split('.', 1)[0]);
  return isList(list) && made === fingerprintOf(wish, list);
}

function isList(list: number): list is keyof typeof counted {
  return Object.hasOwn(counted, list);
}
