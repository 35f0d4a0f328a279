import type { BotState } from './identity-state.ts';
import { newKeyFault } from './bot-rules.ts';
import { accept, refuse } from './identity-view.ts';
import type { IdentityView, JudgedRecord, Verdict } from './identity-view.ts';
import { botKeysMax, keysOf, maySpeak, recoveryDelayMs, settle } from './keys.ts';

/** Where the recovery of a bot stands; a vetoed or finished one leaves `none`, and another root. */
export type RecoveryPhase = 'none' | 'voting' | 'pending';

export function recoveryPhase({ votes, pending }: BotState): RecoveryPhase {
  if (pending !== undefined) return 'pending';
  return votes.length > 0 ? 'voting' : 'none';
}

/**
 * Judges `grid.recovery.1`.
 *
 * 1. Each recovery key asks for a root; its latest word counts. So a single one that asks for a wrong
 *    root delays nobody.
 * 2. With the threshold reached the root is pending, and changes 72 hours of log time later (`settle`).
 * 3. Until then the present root may veto; all votes are void and it may all begin again.
 */
export function judgeRecovery(
  view: IdentityView,
  record: JudgedRecord<'grid.recovery.1'>,
): Verdict<BotState> {
  const { value, author, moment } = record;
  if (author !== value.by) return refuse('IDENTITY_OBJECT_MISMATCH');
  const former = view.bot(value.bot);
  if (former === undefined) return refuse('BOT_UNKNOWN');
  const state = settle(view, former, moment);
  return value.action === 'veto' ? veto(view, state, record) : vote(view, state, record);
}

function veto(
  view: IdentityView,
  state: BotState,
  { value, author, moment }: JudgedRecord<'grid.recovery.1'>,
): Verdict<BotState> {
  if (author !== keysOf(view, state, moment).root) return refuse('BOT_NOT_ROOT');
  const { pending, ...rest } = state;
  const asked = pending?.root ?? state.votes.find(({ root }) => root === value.root)?.root;
  if (asked !== value.root) return refuse('RECOVERY_NOT_PENDING');
  return accept({ ...rest, votes: [] });
}

function vote(
  view: IdentityView,
  state: BotState,
  { value, moment }: JudgedRecord<'grid.recovery.1'>,
): Verdict<BotState> {
  const { recovery, pending } = state;
  const { by, root, rootProof } = value;
  if (recovery?.keys.includes(by) !== true || !maySpeak(view, by, moment)) {
    return refuse('RECOVERY_NOT_MEMBER');
  }
  if (pending !== undefined) {
    return pending.root === root ? accept(state) : refuse('RECOVERY_OTHER_PENDING');
  }
  const fault = newKeyFault(view, state.id, root, rootProof);
  if (fault !== undefined) return refuse(fault);
  if (state.roots.length + state.keys.length >= botKeysMax) return refuse('BOT_KEYS_TOO_MANY');
  const votes = [...state.votes.filter(({ key }) => key !== by), { key: by, root, moment }];
  const keys = votes
    .filter((one) => one.root === root && maySpeak(view, one.key, moment))
    .map(({ key }) => key);
  if (keys.length < recovery.threshold) return accept({ ...state, votes });
  const due = { seq: moment.seq, at: moment.at + recoveryDelayMs };
  return accept({
    ...state,
    votes,
    pending: { root, threshold: recovery.threshold, keys, due },
  });
}
