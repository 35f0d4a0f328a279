import assert from 'node:assert/strict';

import { GridError } from '@commongrid/base';
import { approvalHash, deciders, isOpenVote, judgeQuorum, successorOf } from '@commongrid/model';
import type {
  Approval,
  BotId,
  Contract,
  ContractId,
  ContractState,
  GridObjects,
  Moment,
} from '@commongrid/model';
import type { ContractErrorCode } from '../errors.ts';

/** What a stakeholder says yes or no to. */
export type SignedAction = Approval['action'];

export interface SignRequest {
  readonly contract: ContractId;
  readonly signer: BotId;
  readonly action: SignedAction;
  /** Line of the policy, or `owner`; the only one in which the signer may speak without it. */
  readonly role?: string | undefined;
  readonly verdict: Approval['verdict'];
  /** Log time from which on it has no effect, ms since 1970. */
  readonly expMs: number;
}

/**
 * The approval, or the word against it, that a stakeholder may say now. The log judges it again: this
 * tells before anything is said why that would be for nothing.
 *
 * A `halt` is taken back by a word against it of whoever said it; others can only say their own.
 * @param now place in the log and log time up to which the view goes
 * @throws CONTRACT_ACTION_MISFIT, CONTRACT_NOT_SIGNER, CONTRACT_ROLE_UNCLEAR,
 *   CONTRACT_SETTLED, CONTRACT_LAPSED, CONTRACT_STALE, CONTRACT_SIGNED, CONTRACT_NOT_HALTED,
 *   CONTRACT_REJECTED
 */
export function makeApproval(view: GridObjects, request: SignRequest, now: Moment): Approval {
  const { contract, signer, action, verdict, expMs } = request;
  const header = view.current('grid.contract.1', contract);
  const state = view.contract(contract);
  assert(header !== undefined && state !== undefined, 'the contract is in the log');
  if (action === 'upgrade' && header.replaces === undefined) {
    throw fault('CONTRACT_ACTION_MISFIT', `${header.name} takes the place of no other contract`);
  }
  const role = roleOf(view, header, request);
  const standing = { view, header, state, now };
  requireOpen(standing, request);
  requireNews(standing, request, role);
  if (verdict === 'approve' && action !== 'halt') requireHope(standing, request);
  const { log } = view;
  const replaces = action === 'upgrade' ? { replaces: header.replaces } : {};
  const hash = approvalHash({ log, action, contract, ...replaces });
  const says = { contract, signer, role, action, hash, verdict, expMs };
  return header.replaces === undefined || action !== 'upgrade'
    ? says
    : { ...says, replaces: header.replaces };
}

/** Roles in which a bot may speak on an action; `owner` last, and only where no line has it. */
export function rolesIn(
  view: GridObjects,
  header: Contract,
  action: SignedAction,
  signer: BotId,
): readonly string[] {
  const { lines, owner } = deciders(view, header, action);
  const named = lines.filter(({ signers }) => signers.includes(signer)).map(({ role }) => role);
  return [...new Set(signer === owner ? [...named, 'owner'] : named)];
}

/** Who has a word against an action in the log that still counts. */
export function rejectionsOf(
  view: GridObjects,
  contract: ContractId,
  action: SignedAction,
  at: number,
): readonly Approval[] {
  return [...view.objects('grid.approval.1')].filter((one) => {
    const isAbout = one.contract === contract && one.action === action;
    return isAbout && one.verdict === 'reject' && at < one.expMs;
  });
}

/** Whether those who have not said no can still bring an action about, the word of `except` apart. */
export function canStillPass(
  view: GridObjects,
  contract: ContractId,
  action: Exclude<SignedAction, 'halt'>,
  now: Moment,
  except?: BotId,
): boolean {
  const header = view.current('grid.contract.1', contract);
  const state = view.contract(contract);
  if (header === undefined || state === undefined) return false;
  const { lines, owner } = deciders(view, header, action);
  const against = rejectionsOf(view, contract, action, now.at)
    .filter(({ signer }) => signer !== except)
    .map(({ signer, role }) => ({ who: signer, role }));
  if (action !== 'remove' && against.some(({ who }) => who === owner)) return false;
  const votes = state.votes
    .filter((vote) => vote.action === action && vote.signer !== except)
    .filter((vote) => isOpenVote(view, vote, now))
    .map(({ signer, role }) => ({ who: signer, role }));
  const quorum = lines.map((line) => ({ ...line, signers: new Set<string>(line.signers) }));
  return judgeQuorum(quorum, votes, against) !== 'impossible';
}

interface Standing {
  readonly view: GridObjects;
  readonly header: Contract;
  readonly state: ContractState;
  readonly now: Moment;
}

function roleOf(
  view: GridObjects,
  header: Contract,
  { action, signer, role }: SignRequest,
): string {
  const may = rolesIn(view, header, action, signer);
  if (may.length === 0) {
    throw fault('CONTRACT_NOT_SIGNER', `${signer} has no say in ${action} of ${header.name}`);
  }
  if (role !== undefined) {
    if (may.includes(role)) return role;
    throw fault('CONTRACT_NOT_SIGNER', `${signer} is not in the role ${role}`, {
      hint: `its roles there: ${may.join(', ')}`,
    });
  }
  // Whoever freezes a contract does so alike in any role; a line of the policy has the owner's word too.
  const lines = may.filter((one) => one !== 'owner');
  const [first = 'owner'] = lines;
  if (action === 'halt' || lines.length <= 1) return first;
  throw fault('CONTRACT_ROLE_UNCLEAR', `${signer} may sign in several roles, and counts in one`, {
    hint: `say --role with one of: ${lines.join(', ')}`,
    details: { roles: lines },
  });
}

/** Nothing is left to say of what is agreed, over, or was overtaken. */
function requireOpen(
  { view, header, state, now }: Standing,
  { action, verdict }: SignRequest,
): void {
  const { name, term } = header;
  if (action === 'halt') return;
  if (state.agreed[action] !== undefined) {
    throw fault('CONTRACT_SETTLED', `${action} of ${name} was agreed to: it is so for good`);
  }
  if (action === 'remove' || verdict === 'reject') return;
  if (now.at >= term.untilMs) throw fault('CONTRACT_LAPSED', `the term of ${name} is over`);
  if (state.agreed.remove !== undefined) {
    throw fault('CONTRACT_STALE', `${name} is to be removed: nothing of it starts any more`);
  }
  const { replaces } = header;
  if (action !== 'upgrade' || replaces === undefined) return;
  if (view.contract(replaces)?.agreed.remove !== undefined) {
    throw fault('CONTRACT_STALE', 'the contract that it takes the place of is to be removed');
  }
  const rival = successorOf(view, replaces);
  if (rival === undefined || rival === state.id) return;
  throw fault('CONTRACT_STALE', `${rival} takes the place of that contract already`);
}

/** Saying the same again changes nothing. */
function requireNews(
  { view, header, state, now }: Standing,
  { contract, action, signer, verdict }: SignRequest,
  role: string,
): void {
  const own = state.votes.find((vote) => vote.signer === signer && vote.action === action);
  const isApproved = own !== undefined && isOpenVote(view, own, now);
  if (verdict === 'approve') {
    if (!isApproved || own.role !== role) return;
    const until = new Date(own.expMs).toISOString();
    throw fault('CONTRACT_SIGNED', `${signer} signed this as ${role}; it counts until ${until}`);
  }
  if (action === 'halt') {
    if (isApproved) return;
    throw fault('CONTRACT_NOT_HALTED', `${signer} does not halt ${header.name}`);
  }
  const said = rejectionsOf(view, contract, action, now.at);
  if (!said.some((one) => one.signer === signer)) return;
  throw fault('CONTRACT_SIGNED', `${signer} said no to this already`);
}

function requireHope({ view, header, now }: Standing, request: SignRequest): void {
  const { contract, action, signer } = request;
  if (action === 'halt' || canStillPass(view, contract, action, now, signer)) return;
  const against = rejectionsOf(view, contract, action, now.at).map((one) => one.signer);
  throw fault(
    'CONTRACT_REJECTED',
    `${action} of ${header.name} was rejected: those who are left are too few`,
    { details: { against } },
  );
}

/** What to do next, unless the place says it better. */
const hints: { readonly [Code in ContractErrorCode]?: string } = {
  CONTRACT_ACTION_MISFIT: 'leave --action out, or name provision, remove or halt',
  CONTRACT_NOT_SIGNER: 'see who has to sign: grid contract show',
  CONTRACT_SETTLED: 'see how far it is: grid contract status',
  CONTRACT_LAPSED: 'build it anew with another term: grid contract build',
  CONTRACT_STALE: 'see what became of it: grid contract list',
  CONTRACT_SIGNED: 'see who is missing: grid contract show',
  CONTRACT_NOT_HALTED: 'see who does: grid contract show',
  CONTRACT_REJECTED: 'whoever said no may sign instead; or build another: grid contract build',
};

function fault(
  code: ContractErrorCode,
  message: string,
  options: { readonly hint?: string; readonly details?: Readonly<Record<string, unknown>> } = {},
): GridError<ContractErrorCode> {
  const hint = options.hint ?? hints[code];
  return new GridError(code, message, { ...options, ...(hint === undefined ? {} : { hint }) });
}
