import { approvalHash, isBinding } from '@commongrid/model';
import type { Approval, Contract, ContractId, GridObjects, Moment } from '@commongrid/model';
import { canStillPass, rejectionsOf } from '../state/signing.ts';
import { isWiderContract } from './wider-contract.ts';

/** How a contract stands that was drafted because its former one allows too little. */
export type ProposalState =
  | 'unknown' // not in the log
  | 'open' // it waits for signers
  | 'withdrawn' // by the owner's bot: what it was for was over
  | 'rejected' // by so many that it cannot pass now
  | 'settled'; // agreed to; or removed, rolled back, or past its term, which is for good

const actions = ['upgrade', 'provision'] as const;
/** How long a word counts by which a withdrawal is taken back, ms of log time: the log may be ahead of its readers. */
const reopenedAfterMs = 30_000;

export function proposalState(view: GridObjects, id: ContractId, now: Moment): ProposalState {
  const header = view.current('grid.contract.1', id);
  const state = view.contract(id);
  if (header === undefined || state === undefined) return 'unknown';
  const { agreed, isRolledBack } = state;
  const isEnded = agreed.remove !== undefined || isRolledBack === true;
  if (isEnded || isBinding(header, state) || now.at >= header.term.untilMs) return 'settled';
  if (actions.some((action) => isWithdrawn(view, id, header, action, now))) return 'withdrawn';
  const isPossible = actions.every((action) => {
    return agreed[action] !== undefined || canStillPass(view, id, action, now);
  });
  return isPossible ? 'open' : 'rejected';
}

/** Of these contracts those that were drafted for another one, because it allows too little. */
export function proposalsAmong(
  view: GridObjects,
  former: ContractId,
  ids: Iterable<ContractId>,
): readonly ContractId[] {
  const header = view.current('grid.contract.1', former);
  if (header === undefined) return [];
  return [...ids].filter((id) => {
    const other = view.current('grid.contract.1', id);
    return other !== undefined && isWiderContract(header, former, other);
  });
}

/**
 * A word of the owner against it until the end of its term: without his word nothing comes of it, whoever else
 * signed, or signs later.
 */
export function withdrawalOf(view: GridObjects, id: ContractId): Approval | undefined {
  const header = view.current('grid.contract.1', id);
  return header && wordAgainst(view, id, header, header.term.untilMs);
}

/** The same word, but one that soon counts no more: then it waits for signers again. */
export function reopeningOf(view: GridObjects, id: ContractId, at: number): Approval | undefined {
  const header = view.current('grid.contract.1', id);
  return header && wordAgainst(view, id, header, at + reopenedAfterMs);
}

/** People say how many days a word counts; until the very end of the term it does only where it was withdrawn. */
function isWithdrawn(
  view: GridObjects,
  id: ContractId,
  { owner, term }: Contract,
  action: (typeof actions)[number],
  { at }: Moment,
): boolean {
  return rejectionsOf(view, id, action, at).some(({ signer, expMs }) => {
    return signer === owner && expMs === term.untilMs;
  });
}

function wordAgainst(
  view: GridObjects,
  contract: ContractId,
  { owner: signer, replaces }: Contract,
  expMs: number,
): Approval | undefined {
  if (replaces === undefined) return undefined;
  // What is agreed to is so for good; one of the two that is not agreed to is enough.
  const isUpgradeOpen = view.contract(contract)?.agreed.upgrade === undefined;
  const subject = isUpgradeOpen
    ? ({ action: 'upgrade', replaces } as const)
    : ({ action: 'provision' } as const);
  const hash = approvalHash({ log: view.log, contract, ...subject });
  return { contract, signer, role: 'owner', verdict: 'reject', hash, expMs, ...subject };
}
