import { rejectionsOf } from '@commongrid/contract';
import { signaturesOf } from '@commongrid/model';
import type { Contract, ContractId, ContractState } from '@commongrid/model';
import type { NoticeCode } from '../errors.ts';
import { contractCommand, contractsOf } from './notice.ts';
import type { Finding, Findings, NoticeView } from './notice.ts';

/** What a signer decides on. */
type Decision = 'provision' | 'upgrade' | 'remove';

/** Who proposes what he signs himself, does so in a moment, ms. */
const ownWordMs = 30_000;

/** Words of the bot that others wait for. */
export function wordFindings(view: NoticeView): Findings {
  const { fold, at } = view;
  const ends: number[] = [];
  const findings = [...contractsOf(fold)].flatMap(({ id, header }) => {
    const state = fold.contract(id);
    if (state === undefined || state.agreed.remove !== undefined) return [];
    // Words lapse; whoever was needed then is needed again.
    for (const { expMs } of state.votes) if (expMs > at) ends.push(expMs);
    return decisionsOf(header, state, at).flatMap((action) => {
      return isAwaited(view, id, action) ? [findingOf(view, id, header, action)] : [];
    });
  });
  return { findings, againMs: ends.length === 0 ? undefined : Math.min(...ends) };
}

/** What may still be decided: an end only once somebody asks for it. */
function decisionsOf(
  { replaces, term }: Contract,
  { votes }: ContractState,
  at: number,
): readonly Decision[] {
  const isEndWanted = votes.some((vote) => vote.action === 'remove' && at < vote.expMs);
  const begins: readonly Decision[] =
    replaces === undefined ? ['provision'] : ['provision', 'upgrade'];
  return [...(at < term.untilMs ? begins : []), ...(isEndWanted ? (['remove'] as const) : [])];
}

/** Whether a line that is not complete has the bot, which said nothing yet. */
function isAwaited({ fold, at, bot }: NoticeView, id: ContractId, action: Decision): boolean {
  const lines = signaturesOf(fold, id, action, { seq: Number.MAX_SAFE_INTEGER, at });
  if (lines === undefined || lines === 'agreed') return false;
  const hasSigned = lines.some(({ role, signed }) => role !== 'owner' && signed.includes(bot));
  const isNeeded = lines.some(({ role, signers, signed, min }) => {
    const hasSaid = signed.includes(bot) || (hasSigned && role !== 'owner');
    return signers.includes(bot) && signed.length < min && !hasSaid;
  });
  return isNeeded && !rejectionsOf(fold, id, action, at).some(({ signer }) => signer === bot);
}

function findingOf(
  view: NoticeView,
  contract: ContractId,
  { name, owner }: Contract,
  action: Decision,
): Finding {
  const { fold, bot } = view;
  const whose = owner === bot ? 'your own' : (fold.bot(owner)?.names.at(-1) ?? owner);
  const verb = action === 'remove' ? 'remove' : 'sign';
  return {
    ...{ about: action, code: 'NOTICE_WORD_AWAITED' satisfies NoticeCode, severity: 'warning' },
    contract,
    message: `your word on ${action} of ${name}, of ${whose}, is waited for`,
    next: contractCommand(view, verb, contract),
    lastsMs: owner === bot ? ownWordMs : 0,
  };
}
