import { priceOf } from '@commongrid/model';
import type { Contract, ContractRole } from '@commongrid/model';
import type { DirectoryFarm } from '../directory/directory.ts';

/** A month of a budget, ms: 30 days. */
const monthMs = 30 * 86_400_000;

/**
 * What replicas of some roles cost together in a farm over a time, smallest units: each has a lock of
 * its own, and each is rounded up. Nothing on a farm of the contract's owner. Undefined where they are
 * not for sale, or not for the currency of the budget. By quotes of the farmer, else by his price list.
 */
export function priceFor(
  roles: readonly Pick<ContractRole, 'name' | 'resources'>[],
  { owner, prices, answer }: Pick<DirectoryFarm, 'owner' | 'prices' | 'answer'>,
  contract: Pick<Contract, 'owner' | 'budget'>,
  forMs = monthMs,
): bigint | undefined {
  if (owner === contract.owner) return 0n;
  if (answer?.is === 'declined') return undefined;
  const quoted = answer?.is === 'quoted' ? answer.prices : undefined;
  let sum = 0n;
  for (const { name, resources } of roles) {
    const price = quoted?.get(name) ?? priceOf(prices, resources);
    if (price === undefined || price.currency !== contract.budget.currency) return undefined;
    const [all, per] = [BigInt(price.amount) * BigInt(forMs), BigInt(price.perSeconds) * 1000n];
    sum += (all + per - 1n) / per;
  }
  return sum;
}
