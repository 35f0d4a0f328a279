import type { BotId, FarmId, KeyText } from '../fields.ts';
import type { IdentityCode } from '../errors.ts';
import type { Bot, BotKey } from '../records/bot.ts';
import type { BotState, KeySpan, Moment } from './identity-state.ts';
import { accept, refuse } from './identity-view.ts';
import type { IdentityView, JudgedRecord, Verdict } from './identity-view.ts';
import { botIdOf, botKeysMax, keyProof, keysOf, replaceRoot, settle } from './keys.ts';
import { isName, nameSkeleton, namesMax } from './name.ts';

/**
 * Judges `grid.bot.1`. The first record of a bot is signed by the root that names it. Afterwards the
 * present root may change everything, itself included and at once; a device may change addresses and
 * backup.
 */
export function judgeBot(
  view: IdentityView,
  record: JudgedRecord<'grid.bot.1'>,
): Verdict<BotState> {
  const { value, author, moment } = record;
  const former = view.bot(value.id);
  if (former === undefined) return foundBot(view, record);
  const state = settle(view, former, moment);
  const { root, keys } = keysOf(view, state, moment);
  if (author === root) return changeBot(view, state, value, moment);
  const isDevice = keys.some(({ key, role }) => key === author && role === 'device');
  const previous = view.current('grid.bot.1', value.id);
  if (!isDevice || previous === undefined) return refuse('BOT_NOT_ROOT');
  return isDeviceChange(previous, value) ? accept(state) : refuse('BOT_NOT_ROOT');
}

function foundBot(
  view: IdentityView,
  { value, author, moment }: JudgedRecord<'grid.bot.1'>,
): Verdict<BotState> {
  if (author !== value.root) return refuse('BOT_NOT_ROOT');
  if (value.id !== botIdOf(value.root)) return refuse('BOT_ID_MISMATCH');
  if (view.holderOf(value.root) !== undefined) return refuse('KEY_TAKEN');
  const root: KeySpan = { key: value.root, role: 'root', from: moment };
  const empty = {
    kind: 'bot',
    id: value.id,
    names: [],
    roots: [root],
    keys: [],
    votes: [],
  } as const;
  return changeBot(view, empty, value, moment);
}

function changeBot(
  view: IdentityView,
  state: BotState,
  value: Bot,
  moment: Moment,
): Verdict<BotState> {
  const names = takeName(view, 'bot', state, value.name);
  if (typeof names === 'string') return refuse(names);
  const roots = takeRoot(view, state, value, moment);
  if (typeof roots === 'string') return refuse(roots);
  const keys = takeKeys(view, { ...state, roots }, value.keys, moment);
  if (typeof keys === 'string') return refuse(keys);
  if (roots.length + keys.length > botKeysMax) return refuse('BOT_KEYS_TOO_MANY');
  const { recovery: _former, pending, ...rest } = state;
  const { recovery } = value;
  if (recovery !== undefined && recovery.threshold > recovery.keys.length) {
    return refuse('BOT_RECOVERY_IMPOSSIBLE');
  }
  // A root that replaces itself is in its owner's hands, or lost for good: nothing waits any more.
  const isReplaced = roots.length > state.roots.length;
  const members = new Set(recovery?.keys);
  return accept({
    ...rest,
    names,
    roots,
    keys,
    ...(recovery === undefined ? {} : { recovery }),
    votes: isReplaced ? [] : state.votes.filter(({ key }) => members.has(key)),
    ...(pending === undefined || isReplaced ? {} : { pending }),
  });
}

/** The names of a bot or farm with this one as the last. */
export function takeName(
  view: IdentityView,
  kind: 'bot' | 'farm',
  { id, names }: { readonly id: BotId | FarmId; readonly names: readonly string[] },
  name: string,
): readonly string[] | IdentityCode {
  if (!isName(name)) return 'NAME_INVALID';
  const holder = view.nameHolder(kind, nameSkeleton(name));
  if (holder !== undefined && holder !== id) return 'NAME_TAKEN';
  const all = [...names.filter((one) => one !== name), name];
  return all.length > namesMax ? 'NAMES_TOO_MANY' : all;
}

/** The roots after the record: as they are, or with the one that replaces the present one. */
function takeRoot(
  view: IdentityView,
  { id, roots }: BotState,
  { root, rootProof }: Bot,
  moment: Moment,
): readonly KeySpan[] | IdentityCode {
  if (root === roots.at(-1)?.key) return roots;
  const fault = newKeyFault(view, id, root, rootProof);
  return fault ?? replaceRoot(roots, root, moment);
}

/** The keys after the record; a key is listed for good, and ends for good. */
function takeKeys(
  view: IdentityView,
  { id, roots, keys, pending }: BotState,
  listed: readonly BotKey[],
  moment: Moment,
): readonly KeySpan[] | IdentityCode {
  const entries = new Map(listed.map((entry) => [entry.key, entry]));
  // A key is a root or a listed one, never both: the one that waits to be root counts as such.
  const rootKeys = [...roots, ...(pending === undefined ? [] : [{ key: pending.root }])];
  const clashes = rootKeys.some(({ key }) => entries.has(key));
  if (entries.size < listed.length || clashes) return 'KEY_TAKEN';
  const spans: KeySpan[] = [];
  for (const span of keys) {
    const entry = entries.get(span.key);
    entries.delete(span.key);
    const next = entry === undefined ? unlisted(span) : continued(span, entry, moment);
    if (typeof next === 'string') return next;
    spans.push(next);
  }
  for (const entry of entries.values()) {
    const fault = newKeyFault(view, id, entry.key, entry.proof);
    if (fault !== undefined) return fault;
    const span = { key: entry.key, role: entry.role, from: moment };
    spans.push(ended(span, entry.ended, moment));
  }
  return spans;
}

function unlisted(span: KeySpan): KeySpan | IdentityCode {
  return span.to === undefined ? 'BOT_KEY_DROPPED' : span;
}

function continued(
  span: KeySpan,
  { role, ended: end }: BotKey,
  moment: Moment,
): KeySpan | IdentityCode {
  if (span.to === undefined) return ended({ ...span, role }, end, moment);
  if (end === undefined || (span.compromised !== undefined && end === 'retired')) {
    return 'BOT_KEY_REVIVED';
  }
  return ended(span, end, moment);
}

function ended(span: KeySpan, end: BotKey['ended'], moment: Moment): KeySpan {
  if (end === undefined) return span;
  const { to = moment, compromised = moment } = span;
  return end === 'retired' ? { ...span, to } : { ...span, to, compromised };
}

/**
 * Why a bot cannot have a new key. A key that recovery keys proposed for this bot, and that never was
 * one of its keys, is held by it already.
 */
export function newKeyFault(
  view: IdentityView,
  id: BotId,
  key: KeyText,
  proof: string | undefined,
): IdentityCode | undefined {
  const holder = view.holderOf(key);
  const state = view.bot(id);
  const wasUsed = [...(state?.roots ?? []), ...(state?.keys ?? [])].some((one) => one.key === key);
  if (wasUsed || (holder !== undefined && holder !== id)) return 'KEY_TAKEN';
  const isProven = proof !== undefined && view.isProof(key, keyProof(view.log, id), proof);
  return isProven ? undefined : 'KEY_PROOF_INVALID';
}

/** Whether only what a device may change differs. Payloads are canonical, so their texts compare. */
function isDeviceChange(former: Bot, next: Bot): boolean {
  const rest = ({ addresses: _addresses, backup: _backup, ...others }: Bot): string =>
    JSON.stringify(others);
  return rest(former) === rest(next);
}
