import type { BotId, ContractId } from '../fields.ts';
import { deciders, isOpen } from './approval-rules.ts';
import type { AgreedAction } from './grid-state.ts';
import type { GridView } from './grid-view.ts';
import type { Moment } from './identity-state.ts';

/** Who has to agree in one role, and who did. */
export interface SignatureLine {
  readonly role: string;
  readonly signers: readonly BotId[];
  /** So many of them. */
  readonly min: number;
  readonly signed: readonly BotId[];
}

/**
 * What an action on a contract still waits for, line by line; the owner is a line of its own where his
 * word is needed. Undefined where the contract is not known, `agreed` where nothing is waited for.
 */
export function signaturesOf(
  view: GridView,
  contract: ContractId,
  action: AgreedAction,
  now: Moment,
): readonly SignatureLine[] | 'agreed' | undefined {
  const header = view.current('grid.contract.1', contract);
  const state = view.contract(contract);
  if (header === undefined || state === undefined) return undefined;
  if (state.agreed[action] !== undefined) return 'agreed';
  const { owner, lines } = deciders(view, header, action);
  const votes = state.votes.filter((vote) => vote.action === action && isOpen(view, vote, now));
  const all = lines.map(({ role, signers, min }) => {
    const signed = votes.filter((vote) => vote.role === role && signers.includes(vote.signer));
    return { role, signers, min, signed: signed.map(({ signer }) => signer) };
  });
  if (owner === undefined || action === 'remove') return all;
  const signed = votes.some(({ signer }) => signer === owner) ? [owner as BotId] : [];
  return [{ role: 'owner', signers: [owner as BotId], min: 1, signed }, ...all];
}
