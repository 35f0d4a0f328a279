import { canonicalHash } from '@commongrid/crypto';
import type { GridCode } from '../errors.ts';
import type { ContractId, Hash, KeyText } from '../fields.ts';
import type { Approval } from '../records/approval.ts';
import type { Contract, ContractPolicyLine } from '../records/contract.ts';
import { quorumLines } from './contract-rules.ts';
import type { AgreedAction, ContractState, ContractVote } from './grid-state.ts';
import { acceptGrid, isWhole, refuseGrid } from './grid-view.ts';
import type { GridVerdict, GridView } from './grid-view.ts';
import type { Moment } from './identity-state.ts';
import type { JudgedRecord } from './identity-view.ts';
import { botBehind, stillCounts } from './keys.ts';
import { judgeQuorum } from './quorum.ts';
import { isBinding, succeed } from './succession.ts';

/** What somebody says yes or no to. */
export interface ApprovalSubject {
  readonly log: string;
  readonly action: Approval['action'];
  readonly contract: ContractId;
  readonly replaces?: ContractId | undefined;
}

/** SHA-256 of the canonical text of the subject, without the members that are not there. */
export function approvalHash({ log, action, contract, replaces }: ApprovalSubject): Hash {
  const subject = {
    ...{ log, action, contract },
    ...(replaces === undefined ? {} : { replaces }),
  };
  const bytes = canonicalHash(subject);
  return bytes.toBase64({ alphabet: 'base64url', omitPadding: true }) as Hash;
}

/**
 * Judges `grid.approval.1`. Its object is named by signer and hash, so each bot has one word on one
 * subject, in one role. What a quorum agreed to is so for good: only before can words be taken back,
 * lapse, or fall with their key.
 */
export function judgeApproval(
  view: GridView,
  { value, author, moment }: JudgedRecord<'grid.approval.1'>,
): GridVerdict {
  const header = view.current('grid.contract.1', value.contract);
  const state = view.contract(value.contract);
  if (header === undefined || state === undefined) return refuseGrid('APPROVAL_CONTRACT_UNKNOWN');
  const { action, signer, role, expMs, verdict } = value;
  const fault = subjectFault(view, header, value) ?? signerFault(view, header, value);
  if (fault !== undefined) return refuseGrid(fault);
  if (expMs <= moment.at) return refuseGrid('APPROVAL_EXPIRED');
  if (botBehind(view, author, 'device', moment) !== signer)
    return refuseGrid('APPROVAL_NOT_SIGNER');
  if (action !== 'halt' && state.agreed[action] !== undefined) {
    return refuseGrid('APPROVAL_SETTLED');
  }
  const others = state.votes.filter((one) => one.signer !== signer || one.action !== action);
  const vote = { signer, role, action, key: author as KeyText, moment, expMs };
  const votes = verdict === 'approve' ? [...others, vote] : others;
  const next = { ...state, votes };
  if (action === 'halt') return acceptGrid(next);
  const known = settled(view, header, next, action, moment);
  if (isBinding(header, state) || !isBinding(header, known)) return acceptGrid(known);
  const { code, former } = succeed(view, header, state.id);
  if (code !== undefined) return refuseGrid(code);
  return former === undefined ? acceptGrid(known) : acceptGrid(known, former);
}

/** Whether somebody who may has frozen the contract. */
export function isHalted(view: GridView, { votes }: ContractState, moment: Moment): boolean {
  return votes.some((vote) => vote.action === 'halt' && isOpen(view, vote, moment));
}

function subjectFault(
  view: GridView,
  header: Contract,
  { action, contract, replaces, hash }: Approval,
): GridCode | undefined {
  const former = action === 'upgrade' ? header.replaces : undefined;
  const isFit = replaces === former && (action === 'upgrade') === (replaces !== undefined);
  if (!isFit) return 'APPROVAL_MISFIT';
  const subject = { log: view.log, action, contract, replaces };
  return hash === approvalHash(subject) ? undefined : 'APPROVAL_HASH';
}

function signerFault(
  view: GridView,
  header: Contract,
  { action, signer, role }: Approval,
): GridCode | undefined {
  const { lines, owner } = deciders(view, header, action);
  const isNamed = lines.some((line) => line.role === role && line.signers.includes(signer));
  return isNamed || (role === 'owner' && signer === owner) ? undefined : 'APPROVAL_ROLE';
}

/** Who decides: of an upgrade those of the contract that ends; anyone of them may halt. */
export function deciders(
  view: GridView,
  header: Contract,
  action: Approval['action'],
): { readonly owner: string | undefined; readonly lines: readonly ContractPolicyLine[] } {
  const { owner, policy } = header;
  if (action === 'halt') return { owner, lines: Object.values(policy).flat() };
  if (action !== 'upgrade') return { owner, lines: policy[action] };
  const former = view.current('grid.contract.1', header.replaces ?? '');
  return { owner: former?.owner, lines: former?.policy.upgrade ?? [] };
}

/** The state, with the action agreed to when this vote completes its quorum. */
function settled(
  view: GridView,
  header: Contract,
  state: ContractState,
  action: AgreedAction,
  moment: Moment,
): ContractState {
  const { lines, owner } = deciders(view, header, action);
  const open = state.votes.filter((vote) => vote.action === action && isOpen(view, vote, moment));
  const votes = open.map(({ signer, role }) => ({ who: signer, role }));
  // Nobody is bound, or changed over, against the owner's will; data go by the lines alone.
  const isWanted = action === 'remove' || open.some(({ signer }) => signer === owner);
  if (!isWanted || lines.length === 0) return state;
  if (judgeQuorum(quorumLines(lines), votes, []) !== 'met') return state;
  const rest = state.votes.filter((vote) => vote.action !== action);
  return { ...state, votes: rest, agreed: { ...state.agreed, [action]: moment } };
}

/** Whether a word that did not take effect yet still counts. */
export function isOpen(view: GridView, { key, moment, expMs }: ContractVote, now: Moment): boolean {
  return now.at < expMs && stillCounts(view, key, moment, now);
}

/** Why nothing of a contract may be placed yet. */
export function agreementFault(
  view: GridView,
  { replaces }: Contract,
  { agreed }: ContractState,
): GridCode | undefined {
  if (agreed.provision === undefined) return 'CONTRACT_QUORUM_MISSING';
  if (replaces === undefined || agreed.upgrade !== undefined) return undefined;
  // A reader that was never told of the contract that ends cannot know who decides over it.
  const isUnknown = !isWhole(view) && view.contract(replaces) === undefined;
  return isUnknown ? undefined : 'CONTRACT_QUORUM_MISSING';
}
