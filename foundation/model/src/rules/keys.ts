import type { BotId, KeyText, NodeId } from '../fields.ts';
import { isAfter } from './identity-state.ts';
import type { BotState, KeySpan, Moment } from './identity-state.ts';
import type { IdentityView } from './identity-view.ts';

/** How long a recovery waits for a veto, milliseconds of log time. */
export const recoveryDelayMs = 72 * 3_600_000;

/** Roots and other keys that one bot can have had. */
export const botKeysMax = 256;

/** What a key signs to say that it belongs to a holder. */
export const keyProofDomain = 'commongrid/key/1';

/** The bytes that are signed: log and holder, so that a proof is good for one holder in one log. */
export function keyProof(log: string, holder: BotId): Uint8Array {
  return new TextEncoder().encode(`${log}/${holder}`);
}

/** The id of the bot that this root founds. */
export function botIdOf(root: string): BotId {
  return root.replace(/^ed25519:/, 'bot:') as BotId;
}

/** The id of the node that has this key. */
export function nodeIdOf(key: string): NodeId {
  return key.replace(/^ed25519:/, 'node:') as NodeId;
}

/** Where a key stands for a record at some moment. */
export type KeyStanding = 'valid' | 'early' | 'retired' | 'compromised';

export function keyStanding({ from, to, compromised }: KeySpan, moment: Moment): KeyStanding {
  if (!isAfter(moment, from)) return 'early';
  if (compromised !== undefined && isAfter(moment, compromised)) return 'compromised';
  return to !== undefined && isAfter(moment, to) ? 'retired' : 'valid';
}

/**
 * The keys with which a bot may sign a record at `moment`: its root, and those it lists.
 * @param view to know whether a recovery that is due still counts
 */
export function keysOf(
  view: IdentityView,
  state: BotState,
  moment: Moment,
): { readonly root: KeyText | undefined; readonly keys: readonly KeySpan[] } {
  const { roots, keys } = settle(view, state, moment);
  return {
    root: roots.findLast((span) => keyStanding(span, moment) === 'valid')?.key,
    keys: keys.filter((span) => keyStanding(span, moment) === 'valid'),
  };
}

/**
 * Whether an approval still counts when it is to take effect: its key was valid when it was given,
 * and was not called compromised before the effect.
 */
export function approvalCounts(span: KeySpan, given: Moment, effect: Moment): boolean {
  if (keyStanding(span, given) !== 'valid') return false;
  return span.compromised === undefined || !isAfter(effect, span.compromised);
}

/** Whether what a key approved at `given` may still take effect; a key that nobody holds says so. */
export function stillCounts(
  view: IdentityView,
  key: string,
  given: Moment,
  effect: Moment,
): boolean {
  const state = view.bot(view.holderOf(key) ?? '');
  const span = [...(state?.roots ?? []), ...(state?.keys ?? [])].find((one) => one.key === key);
  return span === undefined || approvalCounts(span, given, effect);
}

/**
 * The state once a recovery that fell due by `moment` is carried out, or has fallen for want of keys
 * that nobody called compromised before it was due. Gives the same whenever it is asked afterwards,
 * so nothing has to happen at the very moment.
 */
export function settle(view: IdentityView, state: BotState, moment: Moment): BotState {
  const { pending, ...rest } = state;
  if (pending === undefined || !isAfter(moment, pending.due)) return state;
  const { root, due, keys, threshold } = pending;
  const sound = keys.filter((key) => !wasCompromised(view, key, due));
  if (sound.length < threshold) return { ...rest, votes: [] };
  return { ...rest, votes: [], roots: replaceRoot(state.roots, root, due) };
}

/** Ends the present root and begins another at the same moment. */
export function replaceRoot(
  roots: readonly KeySpan[],
  key: KeyText,
  moment: Moment,
): readonly KeySpan[] {
  const former = roots.map((span) => (span.to === undefined ? { ...span, to: moment } : span));
  return [...former, { key, role: 'root', from: moment }];
}

/** The bot whose valid key of this role signed; never by its root, which signs for bots only. */
export function botBehind(
  view: IdentityView,
  key: string,
  role: KeySpan['role'],
  moment: Moment,
): BotId | undefined {
  const state = view.bot(view.holderOf(key) ?? '');
  const span = state?.keys.find((one) => one.key === key);
  if (span?.role !== role || keyStanding(span, moment) !== 'valid') return undefined;
  return state?.id;
}

/** Whether a key may speak at all: nobody holds it, or its holder did not end it. */
export function maySpeak(view: IdentityView, key: string, moment: Moment): boolean {
  const holder = view.holderOf(key) ?? '';
  const state = view.bot(holder);
  if (state === undefined) return view.node(holder)?.adoption?.standing !== 'compromised';
  const { root, keys } = keysOf(view, state, moment);
  return root === key || keys.some((span) => span.key === key);
}

/** Whether the holder of a key called it compromised earlier than a deadline of log time. */
function wasCompromised(view: IdentityView, key: string, due: Moment): boolean {
  const holder = view.holderOf(key) ?? '';
  const spans = view.bot(holder)?.keys ?? [];
  const bot = spans.find((span) => span.key === key)?.compromised;
  const { standing, moment } = view.node(holder)?.adoption ?? {};
  const called = bot ?? (standing === 'compromised' ? moment : undefined);
  return called !== undefined && called.at < due.at;
}
