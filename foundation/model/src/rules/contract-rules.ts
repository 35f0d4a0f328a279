import { contractIdOf } from '../records/contract.ts';
import type { Contract, ContractPolicyLine } from '../records/contract.ts';
import type { ContractState } from './grid-state.ts';
import { acceptGrid, isWhole, refuseGrid } from './grid-view.ts';
import type { GridVerdict, GridView } from './grid-view.ts';
import type { JudgedRecord } from './identity-view.ts';
import { botBehind } from './keys.ts';
import { networkRange } from './network-range.ts';
import { isFeasible } from './quorum.ts';
import type { QuorumLine } from './quorum.ts';

/** Judges `grid.contract.1`: anybody may propose one; that its owner wants it, an approval says. */
export function judgeContract(
  view: GridView,
  { obj, value, author, moment }: JudgedRecord<'grid.contract.1'>,
): GridVerdict {
  if (value.log !== view.log) return refuseGrid('CONTRACT_OTHER_LOG');
  const isStranger = !isWhole(view) && view.holderOf(author) === undefined;
  if (!isStranger && botBehind(view, author, 'device', moment) === undefined) {
    return refuseGrid('CONTRACT_NOT_BOT');
  }
  if (value.term.fromMs >= value.term.untilMs) return refuseGrid('CONTRACT_TERM_INVALID');
  for (const names of [value.roles, value.networks, value.secrets]) {
    if (new Set(names.map(({ name }) => name)).size < names.length) {
      return refuseGrid('CONTRACT_NAME_TWICE');
    }
  }
  if (value.networks.some(({ range }) => networkRange(range) === undefined)) {
    return refuseGrid('CONTRACT_NETWORK_INVALID');
  }
  const lines = Object.values(value.policy).flat();
  const placers = value.controllers.filter((one) => one.startsWith('bot:'));
  const bots = new Set([value.owner, ...placers, ...lines.flatMap(({ signers }) => signers)]);
  if ([...bots].some((bot) => view.bot(bot) === undefined)) {
    return refuseGrid('CONTRACT_BOT_UNKNOWN');
  }
  if (!Object.values(value.policy).every(isPossible)) {
    return refuseGrid('CONTRACT_POLICY_IMPOSSIBLE');
  }
  const { replaces } = value;
  if (replaces !== undefined && isWhole(view) && view.contract(replaces) === undefined) {
    return refuseGrid('CONTRACT_REPLACED_UNKNOWN');
  }
  // Its text is its name, so that saying it again says nothing new.
  return acceptGrid(view.contract(obj) ?? newContract(value));
}

/** Lines of a contract as a quorum is judged by. */
export function quorumLines(lines: readonly ContractPolicyLine[]): readonly QuorumLine[] {
  return lines.map(({ role, signers, min }) => ({ role, min, signers: new Set<string>(signers) }));
}

function isPossible(lines: readonly ContractPolicyLine[]): boolean {
  const roles = new Set(lines.map(({ role }) => role));
  return roles.size === lines.length && isFeasible(quorumLines(lines));
}

function newContract(header: Contract): ContractState {
  const id = contractIdOf(header);
  return { kind: 'contract', id, votes: [], agreed: {}, openings: [], moves: [] };
}
