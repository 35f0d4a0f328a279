import type { ContractId, GridFold } from '@commongrid/model';

import { BrokenPromise } from '../../../simulation/witness.ts';

type Fold = Pick<GridFold, 'objects'>;

/** Approvals of contracts: who signed what, as one text each. */
export function approvalsOf(fold: Fold, contracts: ReadonlySet<ContractId>): ReadonlySet<string> {
  const own = [...fold.objects('grid.approval.1')].filter((one) => contracts.has(one.contract));
  return new Set(own.map((one) => JSON.stringify(one)));
}

/**
 * Nobody signed anything about contracts that only healed.
 * @param before what there was when they were whole
 * @returns approvals that there are
 * @throws BrokenPromise
 */
export function requireUnsigned(
  fold: Fold,
  contracts: ReadonlySet<ContractId>,
  before: ReadonlySet<string>,
): number {
  const now = approvalsOf(fold, contracts);
  const added = [...now.difference(before)];
  if (added.length === 0) return now.size;
  throw new BrokenPromise(`signatures: healing took ${added.length} more: ${added[0]}`);
}
