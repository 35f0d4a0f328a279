import { GridError } from '@commongrid/base';
import type { NodeErrorCode } from '../errors.ts';
import type { FactStore } from '../machine/machine.ts';

/** Ids of one tenant: those of an image are 0 to 65,535. */
export const idsOfTenant = 65_536;
/** The first id that a tenant has: below it are those of the machine and of other programs' tables. */
const firstId = 1_000_000_000;
/** Tenants of one node, ever. */
const rangesMax = 30_000;

/**
 * Gives each tenant user ids of its own, for good: what a tenant's volumes hold belongs to them.
 * @returns the host's id of the tenant's 0 @throws NODE_TENANTS_TOO_MANY
 */
export function uidStartOf(facts: FactStore, tenant: string): number {
  const name = `ids ${tenant}`;
  const known = facts.fact(name);
  const number = Number(known ?? facts.fact('ids') ?? 0);
  if (known === undefined) {
    if (number >= rangesMax) {
      throw new GridError<NodeErrorCode>(
        'NODE_TENANTS_TOO_MANY',
        'this node has no more user ids',
        {
          hint: 'place it on another node',
          details: { rangesMax },
        },
      );
    }
    facts.setFact('ids', String(number + 1));
    facts.setFact(name, String(number));
  }
  return firstId + number * idsOfTenant;
}
