import { parse } from '@commongrid/model';
import type { IdentityView, RecordOf } from '@commongrid/model';
import { refusal } from './refusal.ts';
import type { ValidatedChange } from './validator.ts';

export const leaseUrl = 'grid.lease.1';

export type Lease = RecordOf<typeof leaseUrl>;

/** Why a lease is refused: `details.rule` of BCDB_RULE_BROKEN. */
export type LeaseRule =
  | 'LEASE_CONTRACT_UNKNOWN' // no contract of this name is in the log: append it first
  | 'LEASE_FENCE' // the fence is not one above the last: read the lease again
  | 'LEASE_NOT_CONTROLLER' // the contract does not list this key: ask one of its controllers
  | 'LEASE_NOT_HOLDER' // signed by another key than it names, or let go by who does not have it
  | 'LEASE_OBJECT_MISMATCH' // the object is not called as the lease is: put it under its name
  | 'LEASE_RELEASED'; // it was let go before: take it under the next fence

/**
 * Judges `grid.lease.1`. The order of the log is the compare-and-set: a fence is one above the last, so
 * that of two who want the same fence the first one has it. Whoever lets go repeats its record with
 * `isReleased`. Whether the former holder was silent for long enough is not asked here: no replica can
 * know that.
 */
export function judgeLease(
  view: Pick<IdentityView, 'current'>,
  { obj, author, value }: ValidatedChange,
): void {
  const lease = parse(leaseUrl, value);
  const { name, holder, fence, ttlMs, isReleased = false } = lease;
  require(name === obj, 'LEASE_OBJECT_MISMATCH', `${obj} is no lease ${name}`);
  require(author === holder, 'LEASE_NOT_HOLDER', 'a lease is signed by its holder');
  const former = view.current(leaseUrl, name);
  const isSame = former?.fence === fence && former.holder === holder && former.ttlMs === ttlMs;
  if (isReleased) {
    require(isSame, 'LEASE_NOT_HOLDER', `${holder} does not have ${name} under fence ${fence}`);
    require(former.isReleased !== true, 'LEASE_RELEASED', `${name} was let go before`);
    return;
  }
  const next = (former?.fence ?? 0) + 1;
  require(fence === next, 'LEASE_FENCE', `fence ${next} of ${name} comes next, not ${fence}`);
  requireController(view, lease);
}

function requireController(view: Pick<IdentityView, 'current'>, { name, holder }: Lease): void {
  const [contract = ''] = name.split('/', 1);
  const controllers = view.current('grid.contract.1', contract)?.controllers;
  require(controllers !== undefined, 'LEASE_CONTRACT_UNKNOWN', `there is no ${contract}`);
  const isOne = controllers.some((key) => key === holder);
  require(isOne, 'LEASE_NOT_CONTROLLER', `${holder} is no controller of ${contract}`);
}

function require(isMet: boolean, rule: LeaseRule, message: string): asserts isMet {
  if (isMet) return;
  throw refusal('BCDB_RULE_BROKEN', message, {
    hint: `grid explain ${rule}`,
    details: { rule },
  });
}
