import type { GridCode } from '../errors.ts';
import type { ContractId } from '../fields.ts';
import type { Contract } from '../records/contract.ts';
import type { ContractState } from './grid-state.ts';
import type { GridView } from './grid-view.ts';

/** Whether everybody agreed to it: its own people, and those of the contract that it replaces. */
export function isBinding({ replaces }: Contract, { agreed }: ContractState): boolean {
  return agreed.provision !== undefined && (replaces === undefined || agreed.upgrade !== undefined);
}

/**
 * The contract that takes the place of this one: the last one that everybody agreed to, unless it was
 * rolled back, or those who may agreed to remove it. There is one at a time.
 */
export function successorOf(
  view: Pick<GridView, 'contract'>,
  id: ContractId,
): ContractId | undefined {
  const last = view.contract(id)?.successor;
  const state = view.contract(last ?? '');
  const isLive = state?.agreed.remove === undefined && state?.isRolledBack !== true;
  return isLive ? last : undefined;
}

/**
 * What becomes of the contract that another replaces, once everybody agreed to that one. Whoever was not
 * told of the former one has nothing to keep of it.
 */
export function succeed(
  view: GridView,
  { replaces }: Contract,
  id: ContractId,
): { readonly code?: GridCode; readonly former?: ContractState } {
  const former = view.contract(replaces ?? '');
  if (former === undefined) return {};
  const rival = successorOf(view, former.id);
  if (rival !== undefined && rival !== id) return { code: 'APPROVAL_SUCCESSOR' };
  return { former: { ...former, successor: id } };
}

/** Why a contract has nothing to place any more, for good: it handed its place over, or was given up. */
export function successionFault(
  view: Pick<GridView, 'contract'>,
  { replaces }: Contract,
  { id, isReplaced, isRolledBack }: ContractState,
): GridCode | undefined {
  if (isRolledBack === true) return 'CONTRACT_ROLLED_BACK';
  if (isReplaced === true) return 'CONTRACT_REPLACED';
  const last = view.contract(replaces ?? '')?.successor;
  return last === undefined || last === id ? undefined : 'CONTRACT_REPLACED';
}
